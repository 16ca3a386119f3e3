"""Where a figure stands among those of a window of its past: rank among them, robust score.

A window keeps at most `SAMPLES` figures, in the order of their values; fewer than `FEWEST` tell nothing.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Any

from cryptoproxy.watch.figures.windows import FEWEST, NAN, NONE, SHORTEST_STEP_MS, Edges, Gauge, inside

SAMPLES = 120
"""Of a window whose samples are put in order."""


class _Ordered:
    """The samples of a window, a few of them, in the order of their values."""

    __slots__ = ("due", "figures", "sorted", "step", "times", "window")

    def __init__(self, window_ms: int) -> None:
        self.window = window_ms
        self.step = max(SHORTEST_STEP_MS, window_ms // SAMPLES)
        self.times: array[int] = array("q")
        self.figures: array[float] = array("d")
        self.sorted: array[float] = array("d")
        self.due = 0

    def add(self, at: int, value: float) -> None:
        self.due = at + self.step
        times, figures, ordered = self.times, self.figures, self.sorted
        if gone := bisect_left(times, at - self.window):
            for old in figures[:gone]:
                del ordered[bisect_right(ordered, old) - 1]
            del times[:gone], figures[:gone]
        times.append(at)
        figures.append(value)
        insort(ordered, value)

    @property
    def middle(self) -> float:
        """The upper one of two; NaN of none."""
        return self.sorted[len(self.sorted) // 2] if self.sorted else NAN

    @property
    def whole(self) -> bool:
        """Whether there are enough of them to say what is normal."""
        return len(self.sorted) >= FEWEST

    def dump(self) -> list[Any]:
        return [self.due, self.times.tolist(), self.figures.tolist()] if self.times else [self.due]

    def load(self, known: list[Any]) -> None:
        self.due, *past = known
        times, figures = past or ((), ())
        self.times, self.figures = array("q", times), array("d", figures)
        self.sorted = array("d", sorted(figures))


class _AmongItsPast:
    """What the figures of another gauge are held against: those of a window."""

    __slots__ = ("_blind", "_inner", "_past", "normal")

    def __init__(self, inner: Gauge, window_ms: int) -> None:
        self._inner = inner
        self._past = _Ordered(window_ms)
        self._blind = False
        """The inner one does not know, and will not before it is due."""
        self.normal = NAN

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """None of them is one of the window's."""
        self._inner.catch_up(times, values)

    @property
    def due(self) -> float:
        """Of either."""
        return self._inner.due if self._blind else min(self._inner.due, self._past.due)

    def dump(self) -> list[Any]:
        """Both."""
        return [self._inner.dump(), self._past.dump()]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._inner.load(known[0])
        self._past.load(known[1])


class Percentile(_AmongItsPast):
    """Where a figure stands among those of the window: 99 is above ninety-nine of a hundred."""

    __slots__ = ()

    def take(self, at: int, value: float) -> float:
        """0 to 100."""
        figure = self._inner.take(at, value)
        self._blind = figure != figure  # noqa: PLR0124 - NaN
        if self._blind:
            return NAN
        past = self._past
        count = len(past.sorted)
        rank = 100.0 * bisect_right(past.sorted, figure) / count if past.whole else NAN
        if at >= past.due:
            past.add(at, figure)
            self.normal = past.middle
        return rank

    def edges(self, low: float, high: float, value: float) -> Edges:
        """The figures of the window at these ranks."""
        past, count = self._past.sorted, len(self._past.sorted)
        if not self._past.whole:
            return self._inner.edges(-math.inf, math.inf, value)
        lowest = past[max(0, math.floor(low * count / 100.0))] if -1e9 < low < 100.0 else low
        highest = past[min(count, math.ceil(high * count / 100.0)) - 1] if 0.0 < high < 1e9 else high
        if lowest >= highest:
            return NONE
        return self._inner.edges(*inside(lowest, highest), value)

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        super().load(known)
        self.normal = self._past.middle


class RobustScore(_AmongItsPast):
    """How far from the window's median, in units of its median absolute deviation (times 1.4826: of a normal
    distribution that is one sigma). A few shocks in the window move neither."""

    __slots__ = ("_spread",)

    def __init__(self, inner: Gauge, window_ms: int) -> None:
        super().__init__(inner, window_ms)
        self._spread = NAN

    def take(self, at: int, value: float) -> float:
        """The score, with its sign dropped."""
        figure = self._inner.take(at, value)
        self._blind = figure != figure  # noqa: PLR0124 - NaN
        if self._blind:
            return NAN
        score = abs(figure - self.normal) / self._spread
        if at >= self._past.due:
            self._past.add(at, figure)
            self._reckon()
        return score

    def _reckon(self) -> None:
        """After a hole the window has too few again, and what was normal before it is so no more."""
        whole = self._past.whole
        self.normal, self._spread = median_and_spread(self._past.sorted) if whole else (NAN, NAN)

    def edges(self, low: float, high: float, value: float) -> Edges:
        """To both sides of the median."""
        if math.isnan(self._spread):
            return self._inner.edges(-math.inf, math.inf, value)
        if low >= 0.0:
            return NONE
        away = high * self._spread
        return self._inner.edges(*inside(self.normal - away, self.normal + away), value)

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        super().load(known)
        self._reckon()


def median_and_spread(ordered: array[float]) -> tuple[float, float]:
    """The median, and 1.4826 times the median absolute deviation; NaN for that where more than half are the same."""
    middle, half = _middle(ordered), len(ordered) // 2
    spread = _nearest(ordered, middle, half + 1)
    if len(ordered) % 2 == 0:
        spread = (_nearest(ordered, middle, half) + spread) / 2
    return middle, 1.4826 * spread or NAN


def _nearest(ordered: array[float], middle: float, count: int) -> float:
    """How far from the middle the `count` are that are nearest to it: they stand side by side."""
    low, high = 0, len(ordered) - count
    while low < high:
        begin = (low + high) // 2
        if middle - ordered[begin] > ordered[begin + count] - middle:
            low = begin + 1
        else:
            high = begin
    return max(middle - ordered[low], ordered[low + count - 1] - middle)


def _middle(ordered: array[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
