"""Any number of processes, one watch: who has which assets, and what outlives him.

| module | tells |
|---|---|
| ``shares`` | who has which assets, and who tells people |
| ``ledger`` | what outlives a process: a partition of the watch topic, written in transactions |
| ``places`` | how far one is in the topics that rules need |
| ``share`` | a share brought back after whatever happened; what it finds, sent exactly once |
"""
