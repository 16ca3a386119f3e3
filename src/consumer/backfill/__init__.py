"""The lake and the index held against each other: replay what is missing, prove that nothing is, remove what is old.
The lake is read by ``lake.whole``, whatever form it has.

| module | tells |
|---|---|
| ``span`` | the period of an index as a range of slots |
| ``rate`` | records per second |
| ``marks`` | how far a replay has got, on disk |
| ``targets`` | where a replay goes: what both have in common, and the index |
| ``topic`` | the other one: a topic |
| ``replay`` | the loop: read → wait for the rate → send → mark |
| ``documents`` | what Elasticsearch has: counts by source and hour, ids of an hour |
| ``letters`` | what the dead-letter topic has, by id |
| ``compare`` | two streams of ids: what only one of them has |
| ``reconcile`` | lake = documents + dead letters, by source and hour |
| ``report`` | that as table and JSON, and the command that mends it |
| ``retention`` | which index periods may go, and their removal |
| ``display`` | progress: a bar on a terminal, lines elsewhere |
| ``wiring`` | all of it built from settings |
"""
