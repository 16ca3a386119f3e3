"""Where a figure stands among those of a window of its past: rank among them, robust score.

A window keeps at most `SAMPLES` figures, in the order of their values; fewer than `FEWEST` tell nothing.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from operator import sub
from typing import Any

from cryptoproxy.watch.figures.gauge import AHEAD, ANY, FEWEST, NAN, NONE, SHORTEST_STEP_MS, Edges, inside
from cryptoproxy.watch.figures.windows import Change, Last

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
        self.due: float = 0

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

    __slots__ = ("_blind", "_inner", "_past", "due", "normal")

    def __init__(self, inner: Last | Change, window_ms: int) -> None:
        self._inner = inner
        self._past = _Ordered(window_ms)
        self._blind = False
        """The inner one does not know, and will not before it is due."""
        self.due: float = 0
        self.normal = NAN

    def take(self, at: int, value: float) -> float:
        """Where the figure stands among those that are known before it; NaN while there are too few."""
        figure = self._inner.take(at, value)
        self._blind = figure != figure  # noqa: PLR0124 - NaN
        if self._blind:
            return NAN
        place = self._place(figure)
        if at >= self._past.due:
            self._past.add(at, figure)
            self._reckon()
        return place

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Now and then one becomes one of the window's."""
        inner, past, count, added = self._inner, self._past, len(times), False
        place = bisect_left(times, inner.due if self._blind else past.due)
        inner.catch_up(times, values)
        while place < count:
            figure = inner.figure_of(times[place], values[place])
            if figure == figure:  # noqa: PLR0124 - NaN
                past.add(times[place], figure)
                self._blind, added = False, True
            place = bisect_left(times, past.due, place + 1)
        if added:
            self._reckon()

    def edges(self, low: float, high: float, value: float) -> Edges:
        """Whatever comes among the window's within the next few steps; where that is too narrow, until the next."""
        inner, past = self._inner, self._past
        missing = FEWEST - len(past.sorted)
        if self._blind or missing > 0:
            inner.edges(*ANY, value)
            first = inner.due if self._blind else past.due
            self.due = first + max(0, missing - 1) * past.step
            return ANY
        edges = NONE
        for more in (AHEAD, 0):
            until = past.due + more * past.step
            gone = bisect_left(past.times, until - past.window) if more else 0
            lowest, highest = self._bounds(low, high, more, gone)
            if lowest < highest:
                edges = inner.edges(*inside(lowest, highest), value)
                self.due = min(inner.due, until)
                if edges[0] < value < edges[1]:
                    break
        return edges

    def _place(self, figure: float) -> float:
        """Where it stands; NaN where that is not known."""
        raise NotImplementedError

    def _bounds(self, low: float, high: float, more: int, gone: int) -> Edges:
        """Figures strictly between these stand strictly between `low` and `high`, also while up to `more` come among
        the window's and up to `gone` of its oldest leave it."""
        raise NotImplementedError

    def _reckon(self) -> None:
        """The window has changed."""
        raise NotImplementedError

    def dump(self) -> list[Any]:
        """Both."""
        return [self._inner.dump(), self._past.dump()]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._inner.load(known[0])
        self._past.load(known[1])
        self._reckon()


class Percentile(_AmongItsPast):
    """Where a figure stands among those of the window: 99 is above ninety-nine of a hundred."""

    __slots__ = ()

    def _place(self, figure: float) -> float:
        """0 to 100."""
        past = self._past
        return 100.0 * bisect_right(past.sorted, figure) / len(past.sorted) if past.whole else NAN

    def _bounds(self, low: float, high: float, more: int, gone: int) -> Edges:
        """Those of the window at these ranks, of what stays in it."""
        past = self._past
        stays = sorted(past.figures[gone:]) if gone else past.sorted
        count = len(past.sorted) + more
        lowest, highest = low, high
        if low > -1e9:
            place = max(0, math.floor(low * count / 100.0 + 1e-9))
            lowest = stays[place] if place < len(stays) else math.inf
        if high < 1e9:
            place = len(stays) - 1 - math.floor((100.0 - high) * count / 100.0 + 1e-9)
            highest = (stays[place] if place < len(stays) else math.inf) if place >= 0 else -math.inf
        return lowest, highest

    def _reckon(self) -> None:
        self.normal = self._past.middle


class RobustScore(_AmongItsPast):
    """How far from the window's median, in units of its median absolute deviation (times 1.4826: of a normal
    distribution that is one sigma), with its sign dropped. A few shocks in the window move neither."""

    __slots__ = ("_spread",)

    def __init__(self, inner: Last | Change, window_ms: int) -> None:
        super().__init__(inner, window_ms)
        self._spread = NAN

    def _place(self, figure: float) -> float:
        return abs(figure - self.normal) / self._spread

    def _reckon(self) -> None:
        """After a hole the window has too few again, and what was normal before it is so no more."""
        whole = self._past.whole
        self.normal, self._spread = median_and_spread(self._past.sorted) if whole else (NAN, NAN)

    def _bounds(self, low: float, high: float, more: int, gone: int) -> Edges:
        """To both sides of the median, wherever that may be by then, and as near as the deviation may be."""
        if low >= 0.0:
            return NONE
        if not more:
            away = high * self._spread
            return ANY if away != away else (self.normal - away, self.normal + away)  # noqa: PLR0124 - NaN
        ordered = self._past.sorted
        stay = len(ordered) - more - gone
        if self._spread != self._spread or stay < FEWEST // 2:
            return NONE
        # So many of them are within the deviation to both sides of the median, and it moves past so few.
        away = high * 1.4826 * min(map(sub, ordered[stay // 2 - 1 :], ordered)) / 2
        place = (stay - 1) // 2
        return ordered[-1 - place] - away, ordered[place] + away


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
