"""What is known of a series from a window of its past: change and mean.

A window keeps at most `STEPS` samples, so that a week costs what an hour does, and looks back to one that is at most a
step older than the window is long. Samples lie side by side, as times and values: what is known of 500 assets is
megabytes, and what lies in a row is had sooner than an object for each number.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from operator import sub, truediv
from typing import Any

from cryptoproxy.watch.figures.gauge import ANY, NAN, NEVER, PLACES, SHORTEST_STEP_MS, Edges, band, inside

STEPS = 60
"""Of a window from which one sample is looked up."""
_HOLE = 0.1
"""Of the window: what lies further back than that is no sample of its begin."""


class Last:
    """The value itself."""

    __slots__ = ("normal",)
    due = NEVER

    def __init__(self) -> None:
        self.normal = NAN

    def edges(self, low: float, high: float, value: float) -> Edges:
        """The same."""
        return low, high

    def take(self, at: int, value: float) -> float:
        """As it is."""
        return value

    figure_of = take

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Nothing is known."""

    def dump(self) -> list[Any]:
        """Nothing is known."""
        return []

    def load(self, known: list[Any]) -> None:
        """Nothing."""


class Change:
    """Percent since the begin of the window: 5.0 is five percent more."""

    __slots__ = (
        "_first", "_from", "_next", "_step", "_times", "_values", "_window", "due", "normal",
    )  # fmt: skip

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self._step = max(SHORTEST_STEP_MS, window_ms // STEPS)
        self._times: array[int] = array("q")
        self._values: array[float] = array("d")
        self._first = 0
        """The begin of the window is there; what is before it is of no use any more."""
        self._next: float = 0
        """From this time on the next sample is kept."""
        self.due: float = 0
        self._from = NAN
        self.normal = NAN

    def take(self, at: int, value: float) -> float:
        """Percent."""
        if at >= self._next:
            self._times.append(at)
            self._values.append(value)
            self._next = at + self._step
            self._look_back()
        return round((value / self._from - 1.0) * 100.0, PLACES)

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """One of each step is kept."""
        if times[-1] < self._next:
            return
        step, place, count = self._step, bisect_left(times, self._next), len(times)
        if (
            times[-1] - times[place] >= step * (count - place - 1)
            and min(map(sub, times[place + 1 :], times[place:]), default=step) >= step
        ):
            self._times.extend(times[place:])
            self._values.extend(values[place:])
        else:
            keep_time, keep_value = self._times.append, self._values.append
            while place < count:
                at = times[place]
                keep_time(at)
                keep_value(values[place])
                place = bisect_left(times, at + step, place + 1)
        self._next = self._times[-1] + step
        self._look_back()

    def edges(self, low: float, high: float, value: float) -> Edges:
        """For good, or for as long as the window is: what it will look back to until then, it has now."""
        times, first, begin = self._times, self._first, self._from
        if not times:
            self.due = 0
            return ANY
        if begin != begin:  # noqa: PLR0124 - NaN, until there is a sample of the begin
            unfilled = times[first] > times[-1] - self._window
            second = first if unfilled or len(times) == first + 1 else first + 1
            self.due = times[second] + self._window
            return ANY
        window = self._values[first:]
        least, most = min(window), max(window)
        below, above = 1.0 + low / 100.0, 1.0 + high / 100.0
        edges = band(min(least, value), max(most, value), below, above)
        if edges[0] < value < edges[1]:
            self.due = NEVER
            return edges
        self.due = times[-1] + self._window
        if least > 0:
            edges = inside((most if below > 0 else least) * below, (least if above > 0 else most) * above)
            if edges[0] < value < edges[1]:
                return edges
        # Too narrow, or of both signs: then from step to step.
        self.due = min(self.due, self._next)
        return _sorted(begin * below, begin * above)

    def figure_of(self, at: int, value: float) -> float:
        """The figure with one of the samples of the last :meth:`catch_up`, when it came."""
        times = self._times
        begin = times[bisect_right(times, at) - 1] - self._window
        first = bisect_right(times, begin) - 1
        found = self._values[first] if begin - self._window * _HOLE <= times[first] <= begin else NAN
        return round((value / found - 1.0) * 100.0, PLACES) if found else NAN

    def _look_back(self) -> None:
        """From the last sample that was kept."""
        times, values = self._times, self._values
        if self._first >= STEPS:
            del times[: self._first], values[: self._first]
            self._first = 0
        begin = times[-1] - self._window
        first = self._first = max(self._first, bisect_right(times, begin, self._first) - 1)
        found = values[first]
        self._from = found if begin - self._window * _HOLE <= times[first] <= begin and found else NAN

    def dump(self) -> list[Any]:
        """Times and values of the window."""
        kept = self._times[self._first :].tolist(), self._values[self._first :].tolist()
        return [self._next, None if math.isnan(self._from) else self._from, *kept]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._next, begin, times, values = known
        self._from = NAN if begin is None else begin
        self._times, self._values, self._first = array("q", times), array("d", values), 0


class TimesMean:
    """How many times the mean of the window before it."""

    __slots__ = ("_begins", "_counts", "_mean", "_step", "_sums", "_window", "due", "normal")

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self._step = max(SHORTEST_STEP_MS, window_ms // STEPS)
        self._begins: array[int] = array("q")
        """Of each step; the last one is being filled."""
        self._sums: array[float] = array("d")
        self._counts: array[int] = array("q")
        self.due: float = 0
        self.normal = self._mean = NAN

    def take(self, at: int, value: float) -> float:
        """Times; the sample itself is not in the mean."""
        if not self._begins or at >= self._begins[-1] + self._step:
            self._step_on(at)
            self._look_back()
        self._sums[-1] += value
        self._counts[-1] += 1
        return round(value / self._mean, PLACES)

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Step by step."""
        begins, place, count = self._begins, 0, len(times)
        stepped = False
        while place < count:
            if not begins or times[place] >= begins[-1] + self._step:
                self._step_on(times[place])
                stepped = True
            end = bisect_left(times, begins[-1] + self._step, place)
            total = self._sums[-1]
            for value in values[place:end]:
                total += value
            self._sums[-1] = total
            self._counts[-1] += end - place
            place = end
        if stepped:
            self._look_back()

    def edges(self, low: float, high: float, value: float) -> Edges:
        """For good, or within a step; a mean is above 0."""
        if not self._begins:
            self.due = 0
            return ANY
        means = [*map(truediv, self._sums, self._counts), value]
        edges = band(min(means), max(means), low, high)
        if edges[0] < value < edges[1]:
            self.due = NEVER
            return edges
        mean, self.due = self._mean, self._begins[-1] + self._step
        return ANY if mean != mean else inside(low * mean, high * mean)  # noqa: PLR0124 - NaN

    def _step_on(self, at: int) -> None:
        self._begins.append(at)
        self._sums.append(0.0)
        self._counts.append(0)

    def _look_back(self) -> None:
        """From the begin of the last step."""
        begins, sums, counts = self._begins, self._sums, self._counts
        if gone := bisect_left(begins, begins[-1] - self._window):
            del begins[:gone], sums[:gone], counts[:gone]
        count = sum(counts) - counts[-1]
        whole = begins[0] <= begins[-1] - self._window // 2
        mean = sum(sums[:-1]) / count if count else 0.0
        self.normal = self._mean = mean if whole and mean > 0 else NAN

    def dump(self) -> list[Any]:
        """Sums by step."""
        steps = [list(each) for each in zip(self._begins, self._sums, self._counts, strict=True)]
        return [None if math.isnan(self._mean) else self._mean, steps]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        mean, steps = known
        self.normal = self._mean = NAN if mean is None else mean
        begins, sums, counts = zip(*steps, strict=True) if steps else ((), (), ())
        self._begins, self._sums, self._counts = array("q", begins), array("d", sums), array("q", counts)


def _sorted(one: float, other: float) -> Edges:
    return inside(one, other) if one < other else inside(other, one)
