"""The page for people, on Streamlit. It asks the door and nothing else (docs/page.md).

| module | tells |
|---|---|
| ``prices`` | live prices: searched, in order |
| ``asset`` | one asset: candles, indicators, others beside it, how it usually moves |
| ``market`` | the whole market: cap, dominance, heat map, gainers and losers; who moves most, how many rise and fall |
| ``pair`` | order book and trades |
| ``alerts`` | what watch has found |
| ``working`` | is it working? |
| ``app``, ``start`` | which pages there are; Streamlit |
| ``asking`` | the door over HTTP; questions remembered, and why there is no answer |
| ``words`` | numbers and times as people read them; what pages show alike |
| ``charts`` | figures, and tiles of the heat map; pure |
"""
