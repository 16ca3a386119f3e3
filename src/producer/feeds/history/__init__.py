"""The second way in: the past, on what live polling leaves over, one thread for all.

| module | tells |
|---|---|
| ``loop``, ``alone`` | the thread of history, in the poller; the same where no poller is active |
| ``agenda`` | which history is next, by whom it is asked for, what others are told of it |
| ``walk`` | the past of one series: what to ask for next, what lacks, and whose hole that is |
| ``runs``, ``report`` | which history is wanted and how far it is, on disk and topic; the same in words |
"""
