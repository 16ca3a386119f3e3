"""`cryptoproxy status`: does it work? Looks only; nothing is written anywhere.

Each line is a part with its verdict. Who polls stands in the lease's group, what was polled last on the state topic,
what is behind in the indexers' committed offsets, what arrived in Elasticsearch; the processes of this machine are
asked at their health ports. So it tells the same from each machine that reaches the engines, but for the outbox,
which is where the poller is.

| module | tells |
|---|---|
| ``command`` | the command: all parts at once, in the order of a record's way |
| ``part`` | one line of the answer |
| ``engines`` | what Kafka, Elasticsearch and S3 know |
| ``processes`` | poller, streams and indexer: whether they run, and how fresh what they made is |
| ``streamed`` | how each stream goes |
| ``outbox`` | what waits on this machine's disk |
"""
