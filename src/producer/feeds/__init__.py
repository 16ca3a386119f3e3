"""What brings records from the upstreams. Three ways: ``poll``, at each slot of a grid, a thread per feed; ``stream``
and ``history``, folders of their own.

| module | tells |
|---|---|
| ``source_loop`` | the thread of one feed: at each slot poll → keep |
| ``slots`` | which slot is due; those that passed without a poll |
| ``poll`` | one poll: all its calls within the slot, each attempt in the budget before it is sent |
| ``lines`` | records encoded, and apart by the file of the lake that each belongs to |
| ``refused`` | calls that only a person can mend: asked again less and less often |
| ``fetch``, ``connections`` | one GET within a deadline; a connection that is made and asked on threads of its own |
| ``symbols`` | the exchanges' lists of symbols, which tell the quote |
"""
