"""What readers ask: percentiles, averages, moves, volatility, the latest prices, freshness. Reads Elasticsearch only.

| module | tells |
|---|---|
| ``periods`` | times as a person writes them |
| ``fields`` | units of the number fields; which hold a change over which window |
| ``scope`` | which records: sources, assets, a period; grouping by source, asset and quote |
| ``percentiles`` ``average`` ``moves`` ``volatility`` ``latest`` ``freshness`` | a question each: request, body, rows |
| ``freshness_run`` | freshness asked: source by source |
| ``portions`` ``stepwise`` | questions by steps of time, cut so that no answer is too large; asked |
| ``assets`` | which assets there are; the most traded |
| ``search`` | the one road to Elasticsearch; pages |
| ``answer`` | typed rows and the columns that show them |
| ``watch`` ``absent`` | what must be said beside the rows; why there are none |
| ``api`` | the questions as Python calls |
| ``output`` | table, JSON, CSV, plot, console text |
"""

from cryptoproxy.queries.answer import Answer
from cryptoproxy.queries.api import Queries
from cryptoproxy.queries.errors import NothingFound, TooMany
from cryptoproxy.queries.scope import Asset

__all__ = ["Answer", "Asset", "NothingFound", "Queries", "TooMany"]
