"""The request budget: what may be sent to an upstream, and when. Every attempt counts, also one that fails.

One :class:`Budget` per upstream, shared by its sources. :meth:`Budget.take` is asked before each request; what it
grants is on disk before it returns. A ban and what is used survive a restart (a file per upstream) and a handover to
another machine (the compacted topic).

| module | tells |
|---|---|
| ``intervals`` | which intervals fit into that |
| ``windows`` | a window of real time that rolls, and the calendar's month: what it holds, when it has room |
| ``counts`` | all that is known of what was used, and the ban: one value; counting, merging, its bytes |
| ``granting`` | whether a call fits, else how long to wait; who waits, in order, so that none starves |
| ``ledger`` | the counts with their clock and their file: replaced whole, set aside when damaged |
| ``budget`` | the shell around these |

All above ``ledger`` are pure: values in, values out. What goes to the next poller over Kafka is in ``handover``.
"""

from cryptoproxy.producer.budget.budget import Budget
from cryptoproxy.producer.budget.intervals import Demand, Intervals, demand_of, fit, priority_of

__all__ = [
    "Budget",
    "Demand",
    "Intervals",
    "demand_of",
    "fit",
    "priority_of",
]
