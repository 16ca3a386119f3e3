"""The door: the upstreams' own paths, and our own, answered from the road. A team changes a base URL, and nothing else.

| module | tells |
|---|---|
| ``door`` | which path is whose; refusals; what goes out |
| ``coingecko``, ``binance``, ``bybit`` | a house each: what of its paths is answered from what |
| ``markets`` | rows of ``coins/markets`` for any parameters |
| ``house`` | what houses share: replies that are kept, reading through |
| ``own``, ``openapi`` | the paths below ``/v1``, and their description |
| ``request``, ``reply`` | a question as it came; an answer and how old it is |
| ``newest``, ``follow`` | the newest of everything in memory; the topics into it |
| ``bars`` | closed bars from Elasticsearch and the lake |
| ``seam`` | who asks an upstream for what is not here |
| ``through``, ``cache`` | the one who asks it: by the active poller; what was answered before |
| ``server``, ``wiring`` | uvicorn; the process, built from settings |

How an upstream's answer is written stands beside how it is read, in ``cryptoproxy.upstreams``.
"""
