"""The lake and the index held against each other: replay what is missing, prove that nothing is, remove what is old.

| module | tells |
|---|---|
| ``span`` | a range of slots: how it is written, its hours, the period of an index |
| ``archive`` | what is read from the lake, whatever its form: the seam |
| ``raw`` | the raw form: an object per poll, each id once, damage set aside |
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
