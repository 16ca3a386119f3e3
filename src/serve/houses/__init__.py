"""The houses of the door: whose path it is answers it, from the road, in that upstream's words.

| module | tells |
|---|---|
| ``coingecko``, ``binance``, ``bybit`` | a house each: what of its paths is answered from what |
| ``markets`` | rows of ``coins/markets`` for any parameters |
| ``own``, ``openapi`` | the paths below ``/v1``, and their description |
| ``house`` | what houses share: replies that are kept, reading through |
"""
