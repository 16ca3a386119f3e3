"""Figures of one series, kept as records come.

| module | tells |
|---|---|
| ``gauge`` | what a figure is, and what it need not see |
| ``windows`` | change and mean over a span |
| ``ranks`` | rank and robust score among those of a span |
| ``indicators`` | RSI, averages, volatility, level |
| ``learned`` | scores that are learned: half-space trees, an isolation forest |
"""
