"""Which intervals fit into the quotas of an upstream. What does not fit is stretched, and said in one line per source.

What is planned leaves room for what cannot be: attempts that fail and are tried again within their slot, symbol
lists once a day, a person's `cryptoproxy check`.

- In a rolling window a tenth is left free (at Binance up to where calls are slowed down), and what is planned is
  what such a window can hold at its fullest, so that each poll goes out at its slot and none has to wait.
  Only polls that are too large for a single window at any interval are planned by their mean.
- In a month a twentieth is left free: a month averages, but what is used up too early is missed until its end.
  A month has 31 days here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget.windows import FIVE_SECONDS, MINUTE, PLANNED_MONTH_MS, WINDOWS
from cryptoproxy.upstreams.base import MONTH, Limit, Limits, Source

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
    """What one source wants: each poll costs ``cost``, the dearest call in it ``call_cost``."""

    source: str
    cost: int
    interval: float
    call_cost: int = 1


@dataclass(frozen=True, slots=True)
class Intervals:
    """The interval of each source in seconds, a loud line for each that is not the one wanted, and what these polls use
    of each limit's window at its fullest."""

    by_source: Mapping[str, float]
    lines: Sequence[str]
    use: Mapping[str, int] = field(default_factory=dict, compare=False)


def demand_of(source: Source, interval: float) -> Demand:
    """Of a source that is to be polled each ``interval`` seconds."""
    costs = [call.cost for call in source.calls()]
    return Demand(source=source.name, cost=sum(costs), interval=interval, call_cost=max(costs, default=0))


def fit(demands: Sequence[Demand], limits: Limits) -> Intervals:
    """Stretches all intervals by the same factor, the smallest that fits, each then up to one that divides a day.

    Args:
        demands: of every source that shares the upstream.

    Raises:
        OperatorError: not even one poll a day fits, or one call exceeds a limit by itself.
    """
    for demand in demands:
        limits.require_possible(demand.call_cost, f"{demand.source}: one call")
    intervals_ms = _stretched(demands, limits)
    if never := _exceeded(demands, intervals_ms, limits):
        raise OperatorError(
            f"{', '.join(demand.source for demand in demands)}: not even one poll a day fits into what is allowed",
            remedy=f"Raise {_settings(never)}, or ask for less",
        )
    wanted_ms = [_ms(demand.interval) for demand in demands]
    exceeded = _exceeded(demands, wanted_ms, limits)
    stretched = [each for each in zip(demands, intervals_ms, wanted_ms, strict=True) if each[1] != each[2]]
    return Intervals(
        {demand.source: demand.interval for demand in demands} | {each.source: ms / 1000 for each, ms, _ in stretched},
        [_line(demand, ms, demands, limits, exceeded) for demand, ms, _ in stretched],
        {limit.window: _use(demands, intervals_ms, limit) for limit in limits.limits},
    )


def _stretched(demands: Sequence[Demand], limits: Limits) -> list[int]:
    """The intervals of all sources in ms, stretched by the smallest factor that fits; a day each if none does."""
    wanted = [_ms(demand.interval) for demand in demands]
    if not _exceeded(demands, wanted, limits):
        return wanted
    factors = sorted({Fraction(allowed, ms) for ms in wanted for allowed in ALLOWED_MS if allowed > ms})

    def by(factor: Fraction) -> list[int]:
        return [_allowed(-(-ms * factor.numerator // factor.denominator)) for ms in wanted]

    # The longer the intervals, the less they use: so the smallest can be searched for by halves.
    smallest = bisect_left(factors, True, key=lambda factor: not _exceeded(demands, by(factor), limits))
    return by(factors[min(smallest, len(factors) - 1)]) if factors else wanted


def _allowed(ms: int) -> int:
    """The next interval that may be stretched to; a day is the longest."""
    return ALLOWED_MS[min(bisect_left(ALLOWED_MS, ms), len(ALLOWED_MS) - 1)]


def _exceeded(demands: Sequence[Demand], intervals_ms: Sequence[int], limits: Limits) -> list[Limit]:
    return [limit for limit in limits.limits if _use(demands, intervals_ms, limit) > usable(limit)]


def usable(limit: Limit) -> int:
    """What of a limit may be planned, see the head of this module."""
    if limit.window == MONTH:
        return max(1, limit.amount * 95 // 100)
    return max(1, min(limit.calm, limit.amount * 9 // 10))


def _use(demands: Sequence[Demand], intervals_ms: Sequence[int], limit: Limit) -> int:
    """What the polls use of ``limit``, at the fullest that its window can be."""
    pairs = [(demand.cost, ms) for demand, ms in zip(demands, intervals_ms, strict=True)]
    if limit.window == MONTH:
        return -sum(-cost * PLANNED_MONTH_MS // ms for cost, ms in pairs)
    hold_ms = WINDOWS[limit.window].longest_hold_ms
    if sum(cost for cost, _ in pairs) > usable(limit):
        return -sum(-cost * hold_ms // ms for cost, ms in pairs)
    return sum(cost * (hold_ms // ms + 1) for cost, ms in pairs)


def _line(demand: Demand, ms: int, demands: Sequence[Demand], limits: Limits, exceeded: Sequence[Limit]) -> str:
    wanted = [_ms(each.interval) for each in demands]
    reasons = " and ".join(
        f"{_SPOKEN[limit.window]} would hold {_use(demands, wanted, limit)} {limits.unit} of it, "
        f"{usable(limit)} of {limit.amount} can be planned ({limit.setting})"
        for limit in exceeded
    )
    return (
        f"{demand.source} is polled every {ms / 1000:g} s, not every {demand.interval:g} s: {reasons}; "
        f"the rest is kept for retries. If more is allowed raise {_settings(exceeded)}, else set "
        f"{limits.interval_setting}={ms / 1000:g} or ask for less"
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _settings(limits: Sequence[Limit]) -> str:
    return " and ".join(limit.setting for limit in limits)
