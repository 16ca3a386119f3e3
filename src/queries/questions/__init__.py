"""What can be asked: a module per question with its request, its rows, their columns, and the search that finds them.

| module | asks |
|---|---|
| ``percentiles`` ``average`` ``moves`` ``volatility`` | in what range, what on average, how often it moves, how much |
| ``latest`` ``freshness`` | where does each asset stand; is the data fresh and whole |
| ``candles`` ``indicators`` | bars of any length; what TA-Lib makes of them |
| ``sentiment`` ``market`` | how many assets rose and fell, how large the market is, over time |
| ``flow`` | a room: trades, spread and depth of books by steps of time |
"""
