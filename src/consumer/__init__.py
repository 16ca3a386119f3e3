"""Kafka → Elasticsearch: each record of the topic is a document, known as a duplicate, or a dead letter, before its
offset is committed.

| module | tells |
|---|---|
| ``indexer`` | the loop of a dataset: consume → begin → commit; joining and leaving |
| ``member`` | the indexer as a member of its group: consumer, name, rebalance |
| ``positions`` | where reading begins, what was missed, and the lag |
| ``lanes`` | the pipelines of a dataset's topics, together |
| ``pipeline`` | what of a topic is under way: decode → index → dead-letter → finished |
| ``window`` | the batches of it, their offsets, and the threads in which they wait |
| ``progress`` | what is counted and said of them when they are finished |
| ``batch`` | consumed records as lines of a bulk request, poison set aside |
| ``index`` | those lines into Elasticsearch; its template, indices and alias |
| ``letters`` | dead letters, written and read; the fuse |
| ``wiring`` | all of it built from settings |
| ``backfill`` | lake against index: replay, reconcile, retention |
"""
