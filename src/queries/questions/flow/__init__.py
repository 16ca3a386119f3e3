"""What was traded and what stood in the books, by steps of time.

| module | asks |
|---|---|
| ``trades`` | what was traded, at which mean price, and who pressed |
| ``spread`` ``depth`` | what it costs to trade at once; how much stands near the price |
| ``steps`` | what the three have in common: figures of each step, for each asset |
"""
