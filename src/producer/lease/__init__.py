"""Exactly one active poller among any number of processes, by membership in a Kafka consumer group.

All pollers are members of one group on a topic with one partition; who has the partition, polls. Beyond Kafka's own
rules for groups:

- The holder keeps the lease through every rebalance, whoever comes or goes: it says at each join that it has it.
- It writes a note with each confirmation (metadata of a committed offset), so that the others know who polls. Whoever
  is given the lease after Kafka was away waits until that note has been silent, since its writer may be about to join.
- The holder stops when Kafka says that another one was chosen, or when another one's note stands there. It does not
  stop when Kafka says nothing, or has put everybody out of the group because it stood still itself: the slots of two
  pollers give the same document ids, a missed slot is gone.
- A process that was paused polls again only when Kafka has confirmed its lease.
- A fresh process cannot know whether another one polls, so without Kafka it waits, however long.

| module | tells |
|---|---|
| ``timing`` | the durations, and why a dead holder is followed within 15 s |
| ``claims`` | what a member says when it joins; who is chosen |
| ``note`` | the holder's note, and how long it has been silent |
| ``tenure`` | waiting, chosen, preparing, active: how one leads to the other; whether this process stood still |
| ``membership`` | a Kafka client in the group, and a new one when it is of no use |
| ``holding`` | the holder's side: confirming |
| ``waiting`` | the others' side: watching, taking over, what `/readyz` says meanwhile |
| ``hooks`` | what others do when the lease comes or goes |
| ``lease`` | the loop that decides |
"""

from cryptoproxy.producer.lease.lease import Lease

__all__ = ["Lease"]
