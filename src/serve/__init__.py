"""The door: the upstreams' own paths, and our own, answered from the road. A team changes a base URL, and nothing else.

| module | tells |
|---|---|
| ``door`` | which path is whose; refusals; what goes out |
| ``houses`` | whose path it is answers it: ``coingecko``, ``binance``, ``bybit``, and our own below ``/v1`` |
| ``road`` | what is known from the road: the newest of everything in memory, closed bars |
| ``views`` | what ``/v1`` gives for people to look at: prices, bars for a picture, is it working |
| ``upstream`` | what is not: asked upstream by the active poller |
| ``request``, ``reply`` | a question as it came; an answer and how old it is |
| ``teams`` | who may ask, how much, and what it has saved them |
| ``sending`` | an answer onto its connection |
| ``server``, ``wiring`` | uvicorn; the process, built from settings |

How an upstream's answer is written stands beside how it is read, in ``cryptoproxy.upstreams``.
"""
