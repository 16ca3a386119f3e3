"""Benchmarks on the real engines: `make bench`, or `python -m benchmarks indexing latency --records 300000`.

| module | tells |
|---|---|
| ``figures`` | a measured figure and its target; median, percentile |
| ``quiet`` | which rounds were disturbed by other load on the machine, and how they are repeated |
| ``results`` | the stored result, and how a new one compares with it |
| ``cost`` | CPU seconds and memory of processes, seen from outside |
| ``records`` | records of the contract, as many as wanted, always the same |
| ``world`` | engines, topic and alias of one round; the indexer as a process |
| ``passthrough`` | the yardstick for the indexer: unparsed bytes from Kafka to Elasticsearch, nothing checked |
| ``standin`` | an Elasticsearch that answers at once |
| ``link`` | a network of so many bytes per second |
| ``tapped`` | the indexer with the times of its bulk requests written down |
| ``page`` | the stored result as the table of docs/performance.md |
| ``queries`` | questions and dashboards over a year, by a command of its own |
| all others | one benchmark each, see ``__main__`` |
"""
