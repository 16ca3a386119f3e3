"""Rules over all that is on the topics: alerts, each once on its own topic, and people told.

| module | tells |
|---|---|
| ``rulebook`` | the file of rules: what may be asked, and each mistake with its line |
| ``figures`` | figures of a series: change, mean, rank, scores; RSI, averages, volatility, level |
| ``cases`` | one rule for one asset: whether it holds, since when |
| ``assets`` | what is known of an asset |
| ``judge`` | records in, alerts out |
| ``gaps`` | what lacks of an asset |
| ``minutes`` | bars of a minute and stats, made of tickers |
| ``words`` | an alert in a sentence |
| ``sharing`` | who has which assets, and what outlives a process |
| ``engine`` | the loop that judges |
| ``telling`` | people told: channels, messages, silences |
| ``trial`` | what rules would have said of the past, by the lake |
| ``clock`` | what time it is for watch |
| ``wiring`` | all of it built from settings |
"""
