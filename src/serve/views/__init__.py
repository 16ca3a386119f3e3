"""What ``/v1`` gives for people to look at, beside the questions of `query`.

| module | tells |
|---|---|
| ``prices`` | the newest price of everything, from memory |
| ``chart`` | bars for a picture, as many as it has room for |
| ``flowing`` | the newest book, trades, alerts |
| ``stats`` | how each asset stands, as watch tells it |
| ``memory`` | what answers without the index, and its answer |
| ``working`` | ages, lag, budgets: is it working? |
"""
