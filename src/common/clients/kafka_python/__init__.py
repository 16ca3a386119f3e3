"""kafka-python, where it does too little, or too slowly, for what is promised.

Its faults: docs/decisions/0005-kafka-python-faults.md.

| module | tells |
|---|---|
| ``beginning`` | how a client begins: within a time, and saying what the brokers said |
| ``sender`` | the one way to write: nothing counts but a resolved future |
| ``partitioner`` | which partition a key goes to |
| ``fetching`` | how a partition that has much is read beside others that have nothing |
| ``unpacking`` ``compression`` | record batches into records; Kafka's compressions undone, within a bound |
"""
