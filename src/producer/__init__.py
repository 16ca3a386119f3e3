"""The poller: upstream → outbox → Kafka and S3.

| module | tells |
|---|---|
| ``wiring`` | the process, built from settings: the one place where its parts and clients are made |
| ``planning`` | what is polled, how often and within what |
| ``handover`` | what a successor on another machine must know |
| ``compaction`` | once a day, by a process of its own |
| ``statistics``, ``gauges`` | what each source has done; what waits in the outbox and how long it lasts |

Rooms of their own: ``feeds`` (what brings records), ``budget`` (what may be sent, and when), ``outbox`` (polls on
disk), ``drains`` (from there to Kafka and S3), ``lease`` (who polls), ``alone`` (what asks without a poller).
"""
