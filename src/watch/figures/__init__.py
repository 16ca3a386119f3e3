"""Figures of one series, kept as records come.

| module | tells |
|---|---|
| ``windows`` | change, mean, rank, scores over a span |
| ``indicators`` | RSI, averages, volatility, level |
| ``learned`` | scores that are learned: half-space trees, an isolation forest |
"""
