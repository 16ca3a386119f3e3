"""Which intervals fit into the quotas of an upstream. What does not fit is stretched, and said in one line per source.

What is planned leaves room for what cannot be: attempts that fail and are tried again within their slot, symbol
lists once a day, a person's `cryptoproxy check`.

- In a rolling window a tenth is left free (at Binance up to where calls are slowed down), and what is planned is
  what such a window can hold at its fullest, so that each poll goes out at its slot and none has to wait.
  Only polls that are too large for a single window at any interval are planned by their mean.
- In a month a twentieth is left free: a month averages, but what is used up too early is missed until its end.
  A month has 31 days here.
- Tickers are planned first, as if there were nothing else. What they leave is for other datasets, by their mean: those
  wait for room within their slot, which is longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cryptoproxy.datasets import TICKER, Feed
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget.windows import FIVE_SECONDS, MINUTE, PLANNED_MONTH_MS, WINDOWS
from cryptoproxy.upstreams.base import MONTH, Limit, Limits, Polling, Priority, Source

_DAY_S = 86_400
SHORTEST_MS = 100

ALLOWED_MS = sorted(
    [ms for ms in range(SHORTEST_MS, 1000) if _DAY_S * 1000 % ms == 0]
    + [seconds * 1000 for seconds in range(1, _DAY_S + 1) if _DAY_S % seconds == 0]
)
"""Intervals to stretch to: they divide a day, so slots are the same each day; from a second on whole seconds, which
people can read."""

_SPOKEN = {MONTH: "a month", MINUTE.name: "a minute", FIVE_SECONDS.name: "5 seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one feed wants: each poll costs ``cost``, the dearest call in it ``call_cost``."""

    source: str
    """The feed's name."""
    cost: int
    interval: float
    call_cost: int = 1
    fixed: bool = False
    """Its interval is never stretched."""
    priority: Priority = Priority.TICKERS


@dataclass(frozen=True, slots=True)
class Intervals:
    """The interval of each feed in seconds, a loud line for each that is not the one wanted, and what these polls use
    of each limit's window at its fullest, by their priority."""

    by_source: Mapping[str, float]
    lines: Sequence[str]
    use: Mapping[Priority, Mapping[str, int]] = field(default_factory=dict, compare=False)


def demand_of(source: Source, polling: Polling) -> Demand:
    """Of a source that is polled like that."""
    costs = [call.cost for call in source.calls()]
    return Demand(
        source=source.feed.name,
        cost=sum(costs),
        interval=polling.interval,
        call_cost=max(costs, default=0),
        fixed=polling.fixed,
        priority=priority_of(source.feed),
    )


def priority_of(feed: Feed) -> Priority:
    """Of its polls."""
    return Priority.TICKERS if feed.dataset == TICKER.name else Priority.LIVE


def fit(demands: Sequence[Demand], limits: Limits) -> Intervals:
    """Stretches all intervals of a priority by the same factor, the smallest that fits, each then up to one that
    divides a day.

    Args:
        demands: of every feed that shares the upstream.

    Raises:
        OperatorError: not even one poll a day fits, one call exceeds a limit by itself, or what must not be stretched
            does not fit.
    """
    for demand in demands:
        limits.require_possible(demand.call_cost, f"{demand.source}: one call")
    found = Intervals({}, [])
    for priority in sorted({demand.priority for demand in demands}):
        share = _Share(
            [demand for demand in demands if demand.priority is priority],
            limits,
            {each.window: usable(each) - sum(use[each.window] for use in found.use.values()) for each in limits.limits},
            waits=priority is not Priority.TICKERS,
        )
        intervals_ms = share.stretched()
        found = Intervals(
            {**found.by_source, **share.seconds(intervals_ms)},
            [*found.lines, *share.lines(intervals_ms)],
            {**found.use, priority: {limit.window: share.use(intervals_ms, limit) for limit in limits.limits}},
        )
    return found


def usable(limit: Limit) -> int:
    """What of a limit may be planned, see the head of this module."""
    if limit.window == MONTH:
        return max(1, limit.amount * 95 // 100)
    return max(1, min(limit.calm, limit.amount * 9 // 10))


@dataclass(frozen=True, slots=True)
class _Share:
    """The feeds of one priority, and the ``room`` that those before them leave in each window.

    Args:
        waits: whether their polls may wait for room.
    """

    demands: Sequence[Demand]
    limits: Limits
    room: Mapping[str, int]
    waits: bool

    @property
    def _wanted(self) -> list[int]:
        return [_ms(demand.interval) for demand in self.demands]

    def stretched(self) -> list[int]:
        """The intervals in ms, by the smallest factor that fits.

        Raises:
            OperatorError: none does.
        """
        found = self._stretched()
        if never := self._exceeded(found):
            least = "what must not be polled less often does not fit" if self._fixed else "not even one poll a day fits"
            beside = " beside its tickers" if self.waits else ""
            raise OperatorError(
                f"{', '.join(demand.source for demand in self.demands)}: {least} into what is allowed{beside}",
                remedy=f"Raise {_settings(never)}, or ask for less",
            )
        return found

    @property
    def _fixed(self) -> bool:
        return any(demand.fixed for demand in self.demands)

    def _stretched(self) -> list[int]:
        wanted = self._wanted
        if not self._exceeded(wanted):
            return wanted
        factors = sorted(
            {
                Fraction(allowed, ms)
                for demand, ms in zip(self.demands, wanted, strict=True)
                for allowed in ALLOWED_MS
                if allowed > ms and not demand.fixed
            }
        )

        def by(factor: Fraction) -> list[int]:
            return [
                ms if demand.fixed else _allowed(-(-ms * factor.numerator // factor.denominator))
                for demand, ms in zip(self.demands, wanted, strict=True)
            ]

        # The longer the intervals, the less they use: so the smallest can be searched for by halves.
        smallest = bisect_left(factors, True, key=lambda factor: not self._exceeded(by(factor)))
        return by(factors[min(smallest, len(factors) - 1)]) if factors else wanted

    def _exceeded(self, intervals_ms: Sequence[int]) -> list[Limit]:
        return [limit for limit in self.limits.limits if self._needs(intervals_ms, limit) > self.room[limit.window]]

    def _needs(self, intervals_ms: Sequence[int], limit: Limit) -> int:
        """Also room for the dearest call, where what goes before it is never less than planned."""
        dearest = max(demand.call_cost for demand in self.demands) if self.waits else 0
        return max(self.use(intervals_ms, limit), dearest)

    def use(self, intervals_ms: Sequence[int], limit: Limit) -> int:
        """What the polls use of ``limit``, at the fullest that its window can be."""
        pairs = [(demand.cost, ms) for demand, ms in zip(self.demands, intervals_ms, strict=True)]
        if limit.window == MONTH:
            return -sum(-cost * PLANNED_MONTH_MS // ms for cost, ms in pairs)
        hold_ms = WINDOWS[limit.window].longest_hold_ms
        if self.waits or sum(cost for cost, _ in pairs) > usable(limit):
            return -sum(-cost * hold_ms // ms for cost, ms in pairs)
        return sum(cost * (hold_ms // ms + 1) for cost, ms in pairs)

    def seconds(self, intervals_ms: Sequence[int]) -> dict[str, float]:
        """By feed; as it was written where it is the one wanted."""
        return {
            demand.source: demand.interval if ms == _ms(demand.interval) else ms / 1000
            for demand, ms in zip(self.demands, intervals_ms, strict=True)
        }

    def lines(self, intervals_ms: Sequence[int]) -> list[str]:
        """For each feed whose interval is not the one wanted."""
        stretched = zip(self.demands, intervals_ms, self._wanted, strict=True)
        return [self._line(demand, ms) for demand, ms, wanted_ms in stretched if ms != wanted_ms]

    def _line(self, demand: Demand, ms: int) -> str:
        exceeded = self._exceeded(self._wanted)
        reasons = " and ".join(
            f"{_SPOKEN[limit.window]} would hold {self.use(self._wanted, limit)} {self.limits.unit} of it, "
            f"{self.room[limit.window]} of {limit.amount} can be planned ({limit.setting})"
            for limit in exceeded
        )
        instead = "" if self.waits else f"set {self.limits.interval_setting}={ms / 1000:g} or "
        return (
            f"{demand.source} is polled every {ms / 1000:g} s, not every {demand.interval:g} s: {reasons}; "
            f"the rest is kept for retries. If more is allowed raise {_settings(exceeded)}, else {instead}ask for less"
        )


def _allowed(ms: int) -> int:
    """The next interval that may be stretched to; a day is the longest."""
    return ALLOWED_MS[min(bisect_left(ALLOWED_MS, ms), len(ALLOWED_MS) - 1)]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _settings(limits: Sequence[Limit]) -> str:
    return " and ".join(limit.setting for limit in limits)
