"""What the door streams: WebSockets as the upstreams' own, and ``/v1/stream``.

| module | tells |
|---|---|
| ``wire`` | a WebSocket: frames made once, what waits is bounded, who does not read is cut |
| ``sockets`` | which address is whose; the talk of one connection |
| ``hub`` | who listens to which topic; how threads hand over what they read |
| ``binance``, ``bybit`` | how each is asked for its topics, and refuses |
| ``records``, ``live`` | records and frames of the road for those who listen |
| ``ours``, ``held``, ``outs`` | ``/v1/stream``: who reads what, the last records of it, where messages go |
| ``station`` | all of it together |
"""
