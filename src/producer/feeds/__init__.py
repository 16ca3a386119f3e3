"""What brings records from the upstreams. Three ways: ``poll``, at each slot of a grid, a thread per feed; ``stream``,
a folder of its own; and ``history``, on what the others leave over, one thread for all.

| module | tells |
|---|---|
| ``source_loop`` | the thread of one feed: at each slot poll → keep |
| ``slots`` | which slot is due; those that passed without a poll |
| ``poll`` | one poll: all its calls within the slot, each attempt in the budget before it is sent |
| ``history``, ``history_alone`` | the thread of history, in the poller; the same where no poller is active |
| ``agenda`` | which history is next, by whom it is asked for, what others are told of it |
| ``walk`` | the past of one series: what to ask for next, what lacks, and whose hole that is |
| ``runs``, ``report`` | which history is wanted and how far it is, on disk and topic; the same in words |
| ``lines`` | records encoded, and apart by the file of the lake that each belongs to |
| ``refused`` | calls that only a person can mend: asked again less and less often |
| ``fetch``, ``connections`` | one GET within a deadline; a connection that is made and asked on threads of its own |
| ``symbols`` | the exchanges' lists of symbols, which tell the quote |
"""
