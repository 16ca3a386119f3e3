"""What readers ask: percentiles, averages, moves, volatility, the latest prices, freshness, candles, indicators.

| module | tells |
|---|---|
| ``api`` ``asking`` | the questions as Python calls; how one is asked and answered |
| ``questions`` | a module each: request, rows, what is shown of them |
| ``backend`` | what a question is asked of, and which of two |
| ``elastic`` ``lake`` | the two: searches of Elasticsearch; SQL of DuckDB over the lake |
| ``scope`` | which records: sources, assets, a period; grouping by source, asset and quote; which time is covered |
| ``periods`` | times as a person writes them |
| ``fields`` | units of the number fields; who sends them; which hold a change over which window |
| ``answer`` | typed rows, how each value is shown, the time that they cover; as pandas and Polars |
| ``gaps`` ``usage`` | of Elasticsearch alone: what streams lacked; who asked the doors |
| ``notes`` | what must be said beside the rows; why there are none |
| ``output`` | table, JSON, CSV, plot, console text |
"""

from cryptoproxy.queries.answer import Answer, NothingFound, TooMany
from cryptoproxy.queries.api import Queries
from cryptoproxy.queries.scope import AssetRef

__all__ = ["Answer", "AssetRef", "NothingFound", "Queries", "TooMany"]
