"""Figures from sample to sample: of closed bars RSI and moving averages; of anything volatility and level shifts.

They know no window in time: `bars` and `samples` are counted. Volatility and level are looked at once a minute at the
most, so that a stream of trades and a poll a minute mean the same.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import deque
from typing import Any

from cryptoproxy.watch.figures.gauge import AHEAD, ANY, EVERY, FEWEST, NAN, Edges, band, inside

MINUTE_MS = 60_000
MOST_SIGMAS = 6.0
"""A shock counts for no more, or it would hide the next one."""


class Rsi:
    """Wilder's relative strength index, 0 to 100; of the first `bars` changes a plain mean, as TA-Lib has it."""

    __slots__ = ("_bars", "_down", "_last", "_seen", "_up", "normal")
    due = EVERY

    def edges(self, low: float, high: float, value: float) -> Edges:
        """It sees every sample anyway."""
        return ANY

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """None waits."""

    def __init__(self, bars: int) -> None:
        self._bars = bars
        self._last, self._up, self._down, self._seen = NAN, 0.0, 0.0, 0
        self.normal = 50.0

    def take(self, at: int, value: float) -> float:
        """NaN for the first `bars` samples."""
        change, self._last = value - self._last, value
        if change != change:  # noqa: PLR0124 - the first
            return NAN
        up, down = max(change, 0.0), max(-change, 0.0)
        self._seen += 1
        if self._seen <= self._bars:
            self._up += up / self._bars
            self._down += down / self._bars
            if self._seen < self._bars:
                return NAN
        else:
            self._up += (up - self._up) / self._bars
            self._down += (down - self._down) / self._bars
        moved = self._up + self._down
        return 100.0 * self._up / moved if moved else 50.0

    def dump(self) -> list[Any]:
        """Its four numbers."""
        return [None if math.isnan(self._last) else self._last, self._up, self._down, self._seen]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        last, self._up, self._down, self._seen = known
        self._last = NAN if last is None else last


class Average:
    """The mean of the last samples; exponential: one that forgets by 2 / (count + 1), and begins with the plain mean of
    the first `count`, as TA-Lib's do."""

    __slots__ = ("_count", "_exponential", "_last", "_mean")

    def __init__(self, count: int, exponential: bool = False) -> None:
        self._count = count
        self._exponential = exponential
        self._last: deque[float] = deque(maxlen=count)
        self._mean = NAN

    def take(self, at: int, value: float) -> float:
        """NaN for the first samples, one less than `count`."""
        if self._exponential and self._mean == self._mean:
            self._mean += (value - self._mean) * 2 / (self._count + 1)
            return self._mean
        self._last.append(value)
        if len(self._last) == self._count:
            self._mean = math.fsum(self._last) / self._count
        return self._mean

    def dump(self) -> list[Any]:
        """The last samples, and the mean."""
        return [list(self._last), None if math.isnan(self._mean) else self._mean]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        last, mean = known
        self._last.extend(last)
        self._mean = NAN if mean is None else mean


class Crossing:
    """By how many percent the fast moving average is above the slow one; below is negative.

    Args:
        exponential: averages that forget by 2 / (bars + 1); else plain ones of the last bars.
    """

    __slots__ = ("_exponential", "_fast", "_last", "_means", "_slow", "normal")
    due = EVERY

    def edges(self, low: float, high: float, value: float) -> Edges:
        """It sees every sample anyway."""
        return ANY

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """None waits."""

    def __init__(self, fast: int, slow: int, exponential: bool = False) -> None:
        self._fast, self._slow, self._exponential = fast, slow, exponential
        self._last: deque[float] = deque(maxlen=slow)
        self._means: list[float] = []
        """Of the exponential ones: fast, slow, once there were `slow` samples."""
        self.normal = NAN

    def take(self, at: int, value: float) -> float:
        """NaN for the first samples, one less than `slow`."""
        last = self._last
        last.append(value)
        if len(last) < self._slow:
            return NAN
        if not self._exponential or not self._means:
            recent = list(last)
            means = [sum(recent[-self._fast :]) / self._fast, sum(recent) / self._slow]
            if self._exponential:
                self._means = means
        else:
            means = self._means
            means[0] += (value - means[0]) * 2 / (self._fast + 1)
            means[1] += (value - means[1]) * 2 / (self._slow + 1)
        return (means[0] / means[1] - 1.0) * 100.0 if means[1] else NAN

    def dump(self) -> list[Any]:
        """The last samples, and the means."""
        return [list(self._last), self._means]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._last.extend(known[0])
        self._means = known[1]


class EachMinute:
    """Looks at the first sample of each minute alone; says nothing between two."""

    __slots__ = ("_next", "due")

    def __init__(self) -> None:
        self._next: float = 0
        self.due: float = 0

    def take(self, at: int, value: float) -> float:
        """The figure; NaN between two minutes."""
        raise NotImplementedError

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """The first ones of their minutes."""
        place = bisect_left(times, self._next)
        while place < len(times):
            self.take(times[place], values[place])
            place = bisect_left(times, self._next, place + 1)


class Volatility(EachMinute):
    """The last return in units of what returns usually are, an exponential mean of their squares."""

    __slots__ = ("_last", "_seen", "_variance", "_weight", "normal")

    def __init__(self, samples: int) -> None:
        super().__init__()
        self._weight = 2 / (samples + 1)
        self._last, self._variance, self._seen = NAN, 0.0, 0
        self.normal = NAN

    def edges(self, low: float, high: float, value: float) -> Edges:
        """A band that is narrow even for what returns may usually be a few minutes on; or until the next minute."""
        if (missing := FEWEST - self._seen) > 0:
            self.due = self._next + missing * MINUTE_MS
            return ANY
        if self._variance and low < 0 < high < math.inf:
            variance = self._variance * (1 - max(self._weight, 1 / self._seen)) ** AHEAD
            most = math.exp(min(high * math.sqrt(variance), 100.0))
            edges = band(min(self._last, value), max(self._last, value), 1 / most, most)
            if edges[0] < value < edges[1]:
                self.due = self._next + AHEAD * MINUTE_MS
                return edges
        self.due = self._next
        return ANY

    def take(self, at: int, value: float) -> float:
        """The score without its sign; NaN between two minutes, and until there were enough."""
        if at < self._next or value <= 0:
            return NAN
        self._next = at - at % MINUTE_MS + MINUTE_MS
        moved, self._last = math.log(value / self._last) if self._last == self._last else NAN, value
        if moved != moved:  # noqa: PLR0124
            return NAN
        score = NAN
        if self._seen >= FEWEST and self._variance:
            sigma = math.sqrt(self._variance)
            self.normal, score = sigma * 100.0, abs(moved) / sigma
        self._seen += 1
        square = (
            moved * moved
            if self._seen <= FEWEST
            else min(moved * moved, MOST_SIGMAS**2 * self._variance or moved * moved)
        )
        self._variance += (square - self._variance) * max(self._weight, 1 / self._seen)
        return score

    def dump(self) -> list[Any]:
        """Its numbers."""
        return [None if math.isnan(self._last) else self._last, self._variance, self._seen, self._next]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        last, self._variance, self._seen, self._next = known
        self._last = NAN if last is None else last


class LevelShift(EachMinute):
    """CUSUM: how far the values have drifted from their level, in sigma, all small steps to one side added up.

    Level and sigma are exponential means over `samples`; half a sigma to either side counts as no drift.
    """

    __slots__ = ("_down", "_level", "_seen", "_up", "_variance", "_weight", "normal")

    def __init__(self, samples: int) -> None:
        super().__init__()
        self._weight = 2 / (samples + 1)
        self._level, self._variance, self._seen = 0.0, 0.0, 0
        self._up = self._down = 0.0
        self.normal = NAN

    def edges(self, low: float, high: float, value: float) -> Edges:
        """So near to its level that what is added up in a few minutes is not enough; or until the next minute."""
        if (missing := FEWEST - self._seen) > 0:
            self.due = self._next + missing * MINUTE_MS
            return ANY
        if low < 0 < high:
            self.due = self._next + AHEAD * MINUTE_MS
            sigmas = (high - max(self._up, self._down)) / AHEAD * (1 - 1e-9) + 0.5
            if sigmas > MOST_SIGMAS:
                return ANY
            weight = max(self._weight, 1 / self._seen)
            room = sigmas * math.sqrt(self._variance * (1 - weight) ** AHEAD) - abs(value - self._level)
            if room > 0:
                return inside(min(value, self._level) - room / 2, max(value, self._level) + room / 2)
        self.due = self._next
        return ANY

    def take(self, at: int, value: float) -> float:
        """The larger of both sums; NaN between two minutes, and until there were enough."""
        if at < self._next:
            return NAN
        self._next = at - at % MINUTE_MS + MINUTE_MS
        away = value - self._level if self._seen else 0.0
        drift = NAN
        if self._seen >= FEWEST and self._variance:
            sigmas = away / math.sqrt(self._variance)
            self._up = max(0.0, self._up + min(sigmas, MOST_SIGMAS) - 0.5)
            self._down = max(0.0, self._down + min(-sigmas, MOST_SIGMAS) - 0.5)
            self.normal, drift = self._level, max(self._up, self._down)
        self._seen += 1
        weight = max(self._weight, 1 / self._seen)
        self._level = self._level + away * weight if self._seen > 1 else value
        square = (
            away * away if self._seen <= FEWEST else min(away * away, MOST_SIGMAS**2 * self._variance or away * away)
        )
        self._variance += (square - self._variance) * weight
        return drift

    def dump(self) -> list[Any]:
        """Its numbers."""
        return [self._level, self._variance, self._seen, self._next, self._up, self._down]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._level, self._variance, self._seen, self._next, self._up, self._down = known
