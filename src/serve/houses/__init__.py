"""The houses of the door: whose path it is answers it, from the road, in that upstream's words.

| module | tells |
|---|---|
| ``coingecko``, ``binance``, ``bybit`` | a house each: what of its paths is answered from what |
| ``markets``, ``binance_rows`` | rows of ``coins/markets`` for any parameters; of Binance's tickers |
| ``binance_asked`` | Binance's parameters, read and refused |
| ``own``, ``openapi`` | the paths below ``/v1``, and their description |
| ``house`` | what houses share: replies that are kept, reading through |
"""
