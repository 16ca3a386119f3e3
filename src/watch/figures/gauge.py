"""What a gauge is: one figure of a series, kept as samples come, that says what would change nothing.

A gauge takes each sample (ms, value) and gives its figure; NaN while it cannot tell: its window is not filled yet, or
there is a hole where it looks back to.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from typing import Any, Protocol

NAN = math.nan
FEWEST = 20
"""Samples without which nothing is normal."""
AHEAD = 8
"""For so many steps it is tried to say what will change nothing."""
SHORTEST_STEP_MS = 1_000
PLACES = 9
"""Of what is reckoned from two numbers: from 1.76 to 2.1032 it is 19.5 %, where doubles say a hair less."""


EVERY, NEVER = -math.inf, math.inf
"""A gauge that must see every sample; one that needs none."""
Edges = tuple[float, float]
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

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Those that have waited: it knows what it would know had it taken each when it came. They are not kept."""

    def edges(self, low: float, high: float, value: float) -> Edges:
        """Until it is due, values strictly between these give figures strictly between ``low`` and ``high``, as long as
        no other values come.

        Args:
            value: the last one. Edges that hold for longer are narrower, and of no use if it is not between them.
        """

    def dump(self) -> list[Any]:
        """All that it knows, as plain lists and numbers."""

    def load(self, known: list[Any]) -> None:
        """The reverse, into a new one."""


def inside(low: float, high: float) -> Edges:
    """A hair narrower, since edges are reckoned in another way than figures."""
    return (
        low if low == -math.inf else low + abs(low) * 1e-9,
        high if high == math.inf else high - abs(high) * 1e-9,
    )


def band(least: float, most: float, low: float, high: float) -> Edges:
    """Edges that hold for good: two values between them, or one and something from `least` to `most`, have a ratio
    strictly between `low` and `high`. Of no use (NONE) where the value would soon be beyond them."""
    ratio = min(high, 1.0 / low if low > 0 else math.inf)
    if not (least > 0 and ratio > 1.0):
        return NONE
    spare = ratio * least / most
    if spare * spare < ratio:  # less than half of the way
        return NONE
    return inside(least / math.sqrt(spare), most * math.sqrt(spare))


def figures(gauge: Gauge, samples: Iterable[tuple[int, float]]) -> list[float]:
    """Of all samples, for trials."""
    take: Callable[[int, float], float] = gauge.take
    return [take(at, value) for at, value in samples]
