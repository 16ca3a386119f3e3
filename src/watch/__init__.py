"""Rules over all that is on the topics: alerts, each once on its own topic, and people told.

| module | tells |
|---|---|
| ``conditions`` | the kinds of condition: the table from which the others follow |
| ``rules`` | a file of rules as plain values |
| ``reading`` | the file itself: each mistake with its line |
| ``windows``, ``indicators`` | figures of a series: change, mean, rank, scores; RSI, averages, volatility, level |
| ``cases`` | one rule for one asset: whether it holds, since when |
| ``judge`` | records in, alerts out |
| ``words`` | an alert in a sentence |
| ``shares`` | who has which assets, and who tells people |
| ``ledger`` | what outlives a process: a partition of the watch topic, written in transactions |
| ``share`` | a share brought back after whatever happened; what it finds, sent exactly once |
| ``engine`` | the loop that judges |
| ``telling`` | people told: channels, messages, silences |
| ``trial`` | what rules would have said of the past, by the lake |
| ``wiring`` | all of it built from settings |
"""
