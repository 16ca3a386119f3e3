"""The request budget: what may be sent to an upstream, and when. Every attempt counts, also one that fails.

One :class:`Budget` per upstream, shared by its sources. :meth:`Budget.take` is asked before each request; what it
grants is on disk before it returns. A ban and what is used survive a restart (a file per upstream) and a handover to
another machine (the compacted topic).

| module | tells |
|---|---|
| ``plan`` | which intervals fit into that |
| ``window`` | a rolling window of real time: what it holds, when it has room |
| ``months`` | the calendar month, UTC |
| ``counts`` | all that is known of what was used, and the ban: one value; counting, merging, moving it in time |
| ``decision`` | whether a call fits, else how long to wait |
| ``timeline`` | stamps that read like the wall clock and pass like the monotonic one |
| ``turns`` | who waits, in order, so that none starves |
| ``state`` | the counts as bytes, for file and topic |
| ``kept_file`` | the file: replaced whole, set aside when damaged |
| ``budget`` | the shell around these |
| ``state_topic`` | the latest value of each key in a compacted topic: publish, read all |

``plan`` to ``decision`` are pure: values in, values out. ``state_topic`` is imported by its own name, since it brings
the Kafka client along.
"""

from cryptoproxy.producer.budget.budget import Budget
from cryptoproxy.producer.budget.plan import Demand, Plan, demand_of, plan

__all__ = [
    "Budget",
    "Demand",
    "Plan",
    "demand_of",
    "plan",
]
