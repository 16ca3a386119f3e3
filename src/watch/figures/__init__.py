"""Figures of one series, kept as records come.

| module | tells |
|---|---|
| ``windows`` | what a gauge is; change and mean over a span |
| ``ranks`` | rank and robust score among those of a span |
| ``indicators`` | RSI, averages, volatility, level |
| ``learned`` | scores that are learned: half-space trees, an isolation forest |
"""
