"""How good a day's data is: what is missing, doubled, broken, late, by source and dataset.

| module | tells |
|---|---|
| ``day`` | what a day of one feed comes to, record by record |
| ``measure`` | that of a lake, of the dead letters and of the index |
| ``report`` | it as table, JSON and metrics |
"""
