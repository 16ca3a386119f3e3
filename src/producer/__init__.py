"""The poller: upstream → outbox → Kafka and S3.

| module | tells |
|---|---|
| ``wiring`` | the process, built from settings: the one place where its parts and clients are made |
| ``planning`` | what is polled, how often and within what |
| ``source_loop`` | the thread of one source: at each slot poll → keep |
| ``slots`` | which slot is due; those that passed without a poll |
| ``poll`` | one poll: all its calls within the slot, each attempt in the budget before it is sent |
| ``fetch``, ``connections`` | one GET within a deadline; a connection that is made and asked on threads of its own |
| ``symbols`` | the exchanges' lists of symbols, which tell the quote |
| ``once`` | `produce --once`, `--dry-run`, and what `check` asks an upstream |
| ``handover`` | what a successor on another machine must know |
| ``compaction`` | once a day, by a process of its own |
| ``statistics``, ``gauges`` | what each source has done; what waits in the outbox and how long it lasts |

Rooms of their own: ``budget`` (what may be sent, and when), ``outbox`` (polls on disk), ``drains`` (from there to Kafka
and S3), ``lease`` (who polls).
"""
