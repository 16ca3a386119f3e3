"""The lake and the index held against each other: replay what is missing, prove that nothing is, remove what is old.
The lake is read by ``lake.whole``, whatever form it has.

| module | tells |
|---|---|
| ``replay`` | the loop: read → wait for the rate → send → mark |
| ``targets`` | where a replay goes: the index, or a topic |
| ``progress`` | how far a run has got: on disk, and on the screen |
| ``documents`` | what Elasticsearch has: counts by source and hour, ids of an hour, indices and their slots |
| ``reconcile`` | lake = documents + dead letters, by source and hour; two streams of ids compared |
| ``report`` | that as table and JSON, and the command that mends it |
| ``retention`` | which index periods may go, and their removal |
| ``fill`` | topic to lake: what the lake lacks, by ids |
| ``wiring`` | all of it built from settings |
"""
