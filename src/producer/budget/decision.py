"""Whether a call fits into every limit now, else how long to wait before asking again. Counts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.producer.budget import window
from cryptoproxy.producer.budget.counts import Counts
from cryptoproxy.producer.budget.timeline import Moment
from cryptoproxy.producer.budget.window import WINDOWS
from cryptoproxy.upstreams.base import Limit, Limits


@dataclass(frozen=True, slots=True)
class Verdict:
    """0 to send now. ``limit`` is the one that makes for the longest wait."""

    wait_ms: int
    limit: Limit | None = None


SEND = Verdict(0)


def decide(counts: Counts, limits: Limits, moment: Moment, *, need: int, idle_ms: int | None) -> Verdict:
    """
    Args:
        need: the cost of the call and of all calls that are before it in the queue.
        idle_ms: since the last call was granted; None if none was.
    """
    longest = SEND
    for limit in limits.limits:
        if limit.window in WINDOWS:
            wait_ms = _rolling_wait(counts, limit, moment.now_ms, need, idle_ms)
        else:
            fits = counts.used_in(moment.months) + need <= limit.amount
            wait_ms = 0 if fits else moment.months_until_ms - moment.now_ms
        if wait_ms > longest.wait_ms:
            longest = Verdict(wait_ms, limit)
    return longest


def _rolling_wait(counts: Counts, limit: Limit, now_ms: int, need: int, idle_ms: int | None) -> int:
    of = WINDOWS[limit.window]
    buckets = counts.windows.get(of.name, ())
    used = window.used(of, buckets, now_ms)
    if used + need <= limit.calm:
        return 0
    if used + need > limit.amount:
        return max(1, window.falls_to(of, buckets, now_ms, limit.amount - need))
    if idle_ms is None:
        return 0
    # Here only above `slow_above`: the less is left, the longer the gap, so that it lasts for a whole window.
    gap_ms = -(-of.length_ms * need // (limit.amount - used))
    wait_ms = max(0, gap_ms - idle_ms)
    return min(wait_ms, window.falls_to(of, buckets, now_ms, limit.calm - need))
