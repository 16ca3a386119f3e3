"""What is known of a series from a window of its past: change and mean.

A gauge takes each sample (ms, value) and gives its figure; NaN while it cannot tell: the window is not filled yet, or
there is a hole where it looks back to. A window keeps at most `STEPS` samples, so that a week costs what an hour does,
and looks back to one that is at most a step older than the window is long.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

NAN = math.nan
STEPS = 60
"""Of a window from which one sample is looked up."""
FEWEST = 20
"""Samples without which nothing is normal."""
_HOLE = 0.1
"""Of the window: what lies further back than that is no sample of its begin."""
SHORTEST_STEP_MS = 1_000
PLACES = 9
"""Of what is reckoned from two numbers: from 1.76 to 2.1032 it is 19.5 %, where doubles say a hair less."""


EVERY, NEVER = -math.inf, math.inf
"""A gauge that must see every sample; one that needs none."""
Edges = tuple[float, float]
Samples = Sequence[tuple[int, float]]
ANY: Edges = (-math.inf, math.inf)
NONE: Edges = (math.inf, -math.inf)


class Gauge(Protocol):
    """One figure of a series.

    It need not see every sample at once: before ``due``, and while the value is strictly between ``edges``, nothing
    changes for whoever looks at it. Such samples may wait, and are given all together. So a record costs a comparison,
    however many figures there are.
    """

    normal: float
    """What the figure is held against, where it knows; else NaN."""

    @property
    def due(self) -> float:
        """From this time on (ms) it must have the next sample at once. Looked at after ``edges``."""

    def take(self, at: int, value: float) -> float:
        """The figure with this sample; samples come in the order of their times."""

    def catch_up(self, samples: Samples) -> None:
        """Those that have waited: it knows what it would know had it taken each when it came."""

    def edges(self, low: float, high: float, value: float) -> Edges:
        """Until it is due, values strictly between these give figures strictly between ``low`` and ``high``.

        Args:
            value: the last one. Edges that hold for longer are narrower, and of no use if it is not between them.
        """

    def dump(self) -> list[Any]:
        """All that it knows, as plain lists and numbers."""

    def load(self, known: list[Any]) -> None:
        """The reverse, into a new one."""


def _sorted(one: float, other: float) -> Edges:
    return inside(one, other) if one < other else inside(other, one)


def inside(low: float, high: float) -> Edges:
    """A hair narrower, since edges are reckoned in another way than figures."""
    return (
        low if low == -math.inf else low + abs(low) * 1e-9,
        high if high == math.inf else high - abs(high) * 1e-9,
    )


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

    def catch_up(self, samples: Samples) -> None:
        """Nothing is known."""

    def dump(self) -> list[Any]:
        """Nothing is known."""
        return []

    def load(self, known: list[Any]) -> None:
        """Nothing."""


class Change:
    """Percent since the begin of the window: 5.0 is five percent more."""

    __slots__ = ("_from", "_next", "_step", "_times", "_values", "_window", "due", "normal")

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self._step = max(SHORTEST_STEP_MS, window_ms // STEPS)
        self._times: deque[int] = deque()
        self._values: deque[float] = deque()
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

    def catch_up(self, samples: Samples) -> None:
        """One of each step is kept."""
        following, step = self._next, self._step
        if samples[-1][0] < following:
            return
        for at, value in samples:
            if at >= following:
                self._times.append(at)
                self._values.append(value)
                following = at + step
        self._next = following
        self._look_back()

    def edges(self, low: float, high: float, value: float) -> Edges:
        """For as long as the window is: what it will look back to until then, it has now."""
        times, values, begin = self._times, self._values, self._from
        if not times:
            self.due = 0
            return ANY
        self.due = times[-1] + self._window
        if begin != begin:  # noqa: PLR0124 - NaN; it may know one as soon as there is a sample of the begin
            unfilled = times[0] > times[-1] - self._window
            self.due = min(self.due, (times[0] if unfilled or len(times) == 1 else times[1]) + self._window)
        least, most = min(values), max(values)
        if least > 0:
            below, above = 1.0 + low / 100.0, 1.0 + high / 100.0
            edges = inside((most if below > 0 else least) * below, (least if above > 0 else most) * above)
            if edges[0] < value < edges[1]:
                return edges
        # Too narrow, or of both signs: then from step to step.
        self.due = min(self.due, self._next)
        return ANY if begin != begin else _sorted(begin * (1.0 + low / 100.0), begin * (1.0 + high / 100.0))  # noqa: PLR0124

    def _look_back(self) -> None:
        """From the last sample that was kept."""
        times, begin = self._times, self._times[-1] - self._window
        while len(times) > 1 and times[1] <= begin:
            times.popleft()
            self._values.popleft()
        found = self._values[0]
        self._from = found if begin - self._window * _HOLE <= times[0] <= begin and found else NAN

    def dump(self) -> list[Any]:
        """Times and values of the window."""
        return [self._next, None if math.isnan(self._from) else self._from, list(self._times), list(self._values)]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._next, begin, times, values = known
        self._from = NAN if begin is None else begin
        self._times, self._values = deque(times), deque(values)


class TimesMean:
    """How many times the mean of the window before it."""

    __slots__ = ("_buckets", "_mean", "_step", "_window", "normal")

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self._step = max(SHORTEST_STEP_MS, window_ms // STEPS)
        self._buckets: deque[list[float]] = deque()
        """Begin, sum, count; the last is being filled."""
        self.normal = self._mean = NAN

    def take(self, at: int, value: float) -> float:
        """Times; the sample itself is not in the mean."""
        times = value / self._mean
        if not self._buckets or at >= self._buckets[-1][0] + self._step:
            self._step_on(at)
            times = value / self._mean
        last = self._buckets[-1]
        last[1] += value
        last[2] += 1
        return round(times, PLACES)

    def catch_up(self, samples: Samples) -> None:
        """All of one step."""
        last = self._buckets[-1]
        total = last[1]
        for _, value in samples:
            total += value
        last[1] = total
        last[2] += len(samples)

    @property
    def due(self) -> float:
        """Within a step the mean is the same."""
        return self._buckets[-1][0] + self._step if self._buckets else 0

    def edges(self, low: float, high: float, value: float) -> Edges:
        """In values; a mean is above 0."""
        mean = self._mean
        return ANY if mean != mean else inside(low * mean, high * mean)  # noqa: PLR0124 - NaN

    def _step_on(self, at: int) -> None:
        buckets = self._buckets
        while buckets and buckets[0][0] < at - self._window:
            buckets.popleft()
        count = sum([each[2] for each in buckets])
        whole = bool(buckets) and buckets[0][0] <= at - self._window // 2
        mean = sum([each[1] for each in buckets]) / count if count else 0.0
        self.normal = self._mean = mean if whole and mean > 0 else NAN
        buckets.append([at, 0.0, 0])

    def dump(self) -> list[Any]:
        """Sums by step."""
        return [None if math.isnan(self._mean) else self._mean, list(self._buckets)]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        mean, buckets = known
        self.normal = self._mean = NAN if mean is None else mean
        self._buckets = deque(map(list, buckets))


def figures(gauge: Gauge, samples: Iterable[tuple[int, float]]) -> list[float]:
    """Of all samples, for trials."""
    take: Callable[[int, float], float] = gauge.take
    return [take(at, value) for at, value in samples]
