"""Kafka → Elasticsearch: each record of the topic is a document, known as a duplicate, or a dead letter, before its
offset is committed.

| module | tells |
|---|---|
| ``indexer`` | the loop: consume → begin → commit; joining and leaving |
| ``member`` | the indexer as a member of its group: consumer, name, rebalance |
| ``positions`` | where reading begins, what was missed, and the lag |
| ``pipeline`` | what is under way: decode → index → dead-letter → finished |
| ``window`` | the batches of it, their offsets, and the threads in which they wait |
| ``progress`` | what is counted and said of them when they are finished |
| ``batch`` | consumed records as lines of a bulk request, poison set aside |
| ``bulk`` | one bulk request: lines in, items out |
| ``delivery`` | the loop that decides: until each line is indexed, known, or poison |
| ``indices`` | the index of a period, made or checked before it is written to |
| ``template`` | template, mapping and alias: made by set-up, verified here |
| ``dead_letters`` | poison to the dead-letter topic |
| ``dead_letter_reader`` | and back: listed, found, replayed |
| ``fuse`` | how much poison is too much, and a person's word that lets it pass |
| ``wiring`` | all of it built from settings |
| ``backfill`` | lake against index: replay, reconcile, retention |

What an answer of Elasticsearch means is told by ``common.clients.outcome``.
"""
