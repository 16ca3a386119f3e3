"""How fast the questions are over a year, and what the index settings cost: `python -m benchmarks.queries --help`.

| module | tells |
|---|---|
| ``synthetic`` | the year: coins whose prices walk, and records whose changes follow from their prices |
| ``load`` | an Elasticsearch of its own, and the year in it by bulk, under settings that are compared |
| ``lake`` | the same through the lake: raw objects or daily Parquet, by replay |
| ``columns`` ``lake_engine`` | the year as columns; the questions asked of the lake, beside plain sums |
| ``panels`` | the searches of a dashboard, from the definitions in ``kibana/`` |
| ``measure`` | which questions and dashboards are asked |
| ``timing`` | one search or question timed, without the request cache |
"""
