"""What readers ask: percentiles, averages, moves, volatility, the latest prices, freshness. Reads Elasticsearch only.

| module | tells |
|---|---|
| ``periods`` | times as a person writes them |
| ``fields`` | units of the number fields; who sends them; which hold a change over which window |
| ``scope`` | which records: sources, assets, a period; grouping by source, asset and quote; which time is covered |
| ``answer`` | typed rows, the columns that show them, the time that they cover |
| ``search`` | the one road to Elasticsearch; pages; which assets there are; portions of a question by steps of time |
| ``notes`` | what must be said beside the rows; why there are none |
| ``percentiles`` ``average`` ``moves`` ``volatility`` ``latest`` ``freshness`` | a question each: request, body, rows |
| ``slots`` | which slots should be there: intervals, missing ones |
| ``api`` | the questions as Python calls |
| ``output`` | table, JSON, CSV, plot, console text |
"""

from cryptoproxy.queries.answer import Answer, NothingFound, TooMany
from cryptoproxy.queries.api import Queries
from cryptoproxy.queries.scope import Asset

__all__ = ["Answer", "Asset", "NothingFound", "Queries", "TooMany"]
