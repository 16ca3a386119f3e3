"""The windows that limits are about: one that rolls with real time, as a value (costs in small buckets, oldest first),
and the calendar's month.

The first rolls also where the upstream counts by the minute of the clock (Binance, and perhaps CoinGecko): every
minute of the clock, by whosever clock, is one of the minutes that roll, so what never exceeds the limit in any of these
never exceeds it in that one. A count by the clock would, under the other reading, allow twice the limit around the full
minute, and it would need our clock to agree with theirs.

What a call cost is held longer than the window is: until its bucket has wholly left it, and :data:`TRAVEL_MS` more,
since we count when a request is sent and the upstream when it arrives, one sooner than another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

Buckets = tuple[tuple[int, int], ...]
"""(start in ms, cost), by start; each start once."""

TRAVEL_MS = 1000
"""How much longer than another one request may be on its way. One that takes longer still can make us exceed a
limit by its own cost; for that the plan leaves head-room."""


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """So many milliseconds, kept in buckets of a sixtieth or less, so that its value stays small at any rate."""

    name: str
    length_ms: int
    bucket_ms: int

    @property
    def longest_hold_ms(self) -> int:
        """How long a cost is held at most."""
        return self.length_ms + TRAVEL_MS + self.bucket_ms

    def start(self, now_ms: int) -> int:
        """Of the bucket that ``now_ms`` is in."""
        return now_ms - now_ms % self.bucket_ms


MINUTE = RollingWindow("minute", 60_000, 1_000)
FIVE_SECONDS = RollingWindow("5s", 5_000, 100)
WINDOWS: Mapping[str, RollingWindow] = MappingProxyType({window.name: window for window in (MINUTE, FIVE_SECONDS)})


def held(window: RollingWindow, buckets: Buckets, now_ms: int) -> Buckets:
    """Those that have not left the window."""
    gone = now_ms - window.longest_hold_ms
    if not buckets or buckets[0][0] > gone:
        return buckets
    return tuple(bucket for bucket in buckets if bucket[0] > gone)


def used(window: RollingWindow, buckets: Buckets, now_ms: int) -> int:
    """What counts against the limit now."""
    return sum(cost for _, cost in held(window, buckets, now_ms))


def added(window: RollingWindow, buckets: Buckets, now_ms: int, cost: int) -> Buckets:
    """With ``cost`` more at ``now_ms``; what has left the window is dropped."""
    kept = held(window, buckets, now_ms)
    start = window.start(now_ms)
    if kept and kept[-1][0] >= start:
        return (*kept[:-1], (kept[-1][0], kept[-1][1] + cost))
    return (*kept, (start, cost))


def merged(ours: Buckets, theirs: Buckets) -> Buckets:
    """The larger cost of each bucket. Commutative, associative, idempotent.

    Pollers take turns, so a bucket that both know is one that one of them has from the other.
    """
    if ours == theirs:
        return ours
    larger = dict(ours)
    for start, cost in theirs:
        larger[start] = max(cost, larger.get(start, 0))
    return tuple(sorted(larger.items()))


def clipped(window: RollingWindow, buckets: Buckets, now_ms: int) -> Buckets:
    """In order, without what has left the window, and nothing later than now: what comes from another clock, or
    from before this one was set back, counts as used just now, so it is gone when one window has passed."""
    newest = window.start(now_ms)
    costs: dict[int, int] = {}
    for start, cost in buckets:
        costs[min(start, newest)] = costs.get(min(start, newest), 0) + cost
    return held(window, tuple(sorted(costs.items())), now_ms)


def falls_to(window: RollingWindow, buckets: Buckets, now_ms: int, level: int) -> int:
    """Milliseconds until no more than ``level`` is used, if nothing is added; 0 if that is so now.

    Below a ``level`` of 0 it never falls: then the longest hold is the answer, after which to look again.
    """
    if level < 0:
        return window.longest_hold_ms
    over = used(window, buckets, now_ms) - level
    for start, cost in held(window, buckets, now_ms):
        if over <= 0:
            break
        over -= cost
        leaves = start + window.longest_hold_ms
        if over <= 0:
            return leaves - now_ms
    return 0


PLANNED_MONTH_MS = 31 * 86_400_000
"""For plans a month has 31 days."""


def month_of(ms: int) -> str:
    """``2026-11``, in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment.year:04d}-{moment.month:02d}"


def month_begin_ms(ms: int) -> int:
    """When that month began."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return _ms(moment.year, moment.month)


def month_end_ms(ms: int) -> int:
    """When the next one begins."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return _ms(moment.year + moment.month // 12, moment.month % 12 + 1)


def even_share(amount: int, now_ms: int) -> int:
    """What of ``amount`` would be used by now, spent evenly. The assumption where the count is lost: a plan that fits
    into the month fits into the rest of it."""
    begin, end = month_begin_ms(now_ms), month_end_ms(now_ms)
    return -(-amount * (now_ms - begin) // (end - begin))


def _ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
