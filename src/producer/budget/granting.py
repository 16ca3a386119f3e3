"""Whether a call fits into every limit now, else how long to wait; and who comes first, so that none starves."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from cryptoproxy.producer.budget import windows as rolling
from cryptoproxy.producer.budget.counts import Counts
from cryptoproxy.producer.budget.intervals import usable
from cryptoproxy.producer.budget.ledger import Moment
from cryptoproxy.producer.budget.windows import WINDOWS
from cryptoproxy.upstreams.base import MONTH, Limit, Limits, Priority

GRACE_SECONDS = 2.0
"""How late one may come back, on a busy machine."""

LONGEST_RESERVE_SECONDS = 60.0
"""A wait for the next month reserves no longer than this: others may fit into what is left."""


def decide(
    counts: Counts,
    limits: Limits,
    moment: Moment,
    *,
    need: int,
    idle_ms: int | None,
    kept_free: Mapping[str, int] | None = None,
) -> tuple[int, Limit | None]:
    """Milliseconds to wait before asking again, 0 to send now; and the limit that makes for the longest wait. Counts
    nothing.

    Args:
        need: the cost of the call and of all calls that are before it in the queue.
        idle_ms: since the last call was granted; None if none was.
        kept_free: of a call that comes after others, what these may still need of each window: it is sent only into
            what is left over of what may be planned at all.
    """
    longest: tuple[int, Limit | None] = 0, None
    for limit in limits.limits:
        if kept_free is not None:
            wait_ms = _wait_for_rest(counts, limit, moment, need + kept_free[limit.window])
        elif limit.window in WINDOWS:
            wait_ms = _rolling_wait(counts, limit, moment.now_ms, need, idle_ms)
        else:
            fits = counts.used_in(moment.months) + need <= limit.amount
            wait_ms = 0 if fits else moment.months_until_ms - moment.now_ms
        if wait_ms > longest[0]:
            longest = wait_ms, limit
    return longest


def _wait_for_rest(counts: Counts, limit: Limit, moment: Moment, need: int) -> int:
    if limit.window == MONTH:
        fits = counts.used_in(moment.months) + need <= usable(limit)
        return 0 if fits else moment.months_until_ms - moment.now_ms
    of = WINDOWS[limit.window]
    return rolling.falls_to(of, counts.windows.get(of.name, ()), moment.now_ms, usable(limit) - need)


def _rolling_wait(counts: Counts, limit: Limit, now_ms: int, need: int, idle_ms: int | None) -> int:
    of = WINDOWS[limit.window]
    buckets = counts.windows.get(of.name, ())
    used = rolling.used(of, buckets, now_ms)
    if used + need <= limit.calm:
        return 0
    if used + need > limit.amount:
        return max(1, rolling.falls_to(of, buckets, now_ms, limit.amount - need))
    if idle_ms is None:
        return 0
    # Here only above `slow_above`: the less is left, the longer the gap, so that it lasts for a whole window.
    gap_ms = -(-of.length_ms * need // (limit.amount - used))
    wait_ms = max(0, gap_ms - idle_ms)
    return min(wait_ms, rolling.falls_to(of, buckets, now_ms, limit.calm - need))


@dataclass(frozen=True, slots=True)
class _Place:
    cost: int
    lapses: float
    priority: Priority


class Turns:
    """Who waits for room, in the order in which they first asked. Not thread-safe: its owner has a lock. ``now`` is
    monotonic seconds.

    Who has a lower priority is behind all others, whenever it asked.

    Without it a source with cheap calls, or merely a quicker one, takes each bit of room that comes free, and a dear
    call never finds enough at once. Room for those ahead is kept free; whoever does not come back in time has given up
    (its slot is over) and loses the place.
    """

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}  # in order of arrival

    def ahead_of(self, who: Hashable, now: float, priority: Priority = Priority.TICKERS) -> int:
        """The cost of all that wait before ``who``; of all that wait and are no less urgent, if it does not."""
        for gone in [other for other, place in self._places.items() if place.lapses <= now]:
            del self._places[gone]
        cost, before = 0, True
        for other, place in self._places.items():
            if other == who:
                before = False
            elif place.priority < priority or (before and place.priority == priority):
                cost += place.cost
        return cost

    def wait(self, who: Hashable, cost: int, seconds: float, now: float, priority: Priority = Priority.TICKERS) -> None:
        """``who`` was told to come back in so many seconds; it keeps a place that it has."""
        lapses = now + min(seconds, LONGEST_RESERVE_SECONDS) + GRACE_SECONDS
        self._places[who] = _Place(cost, lapses, priority)

    def leave(self, who: Hashable) -> None:
        """``who`` has what it asked for."""
        self._places.pop(who, None)
