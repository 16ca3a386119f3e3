"""The way of a price: given at whole hours, and from there told top down, to the minute and the second.

Every bar is exact: what a minute says as first, highest, lowest and last price is what its seconds say, and so up to
years. So a bar of a day costs its 24 hours, not its 86,400 seconds, and a bar that is closed never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cryptoproxy.sandbox.world.intervals import DAY, BarGrid, group
from cryptoproxy.sandbox.world.noise import Floats, Ints, mix, mixes
from cryptoproxy.sandbox.world.shapes import COUNT, MOST_WICK, PARTS, Shapes

HOUR = 3600
_BITS = 1023
Chosen = slice | npt.NDArray[np.bool_]
Node = tuple[float, float, float, float, float]
"""Open, close, high, low, reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Spans of one length, in order of time; ``start`` in seconds."""

    start: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    reach: Floats
    """How far from first and last price it goes at least."""
    shape: Ints

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        return self.start, self.open, self.high, self.low, self.close, self.reach, self.shape

    def where(self, chosen: Chosen) -> Self:
        return type(self)(*[column[chosen] for column in self.columns])


@dataclass(frozen=True, slots=True, eq=False)
class PathBars:
    """Candles: ``start`` in seconds, prices not rounded."""

    start: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats


class Path:
    """The price of one thing in another.

    Args:
        key: of the noise; two paths of one key have the same ups and downs within the hours.
        anchor: the price at the beginning of an hour, counted since 1970.
        anchors: to the same bit those at the beginning and at the end of many hours, which rise.
        swing: how far it goes within an hour, over the price.
        minutes, seconds: over how many of the sixty the trade is spread, as ``shapes`` says.
    """

    def __init__(
        self,
        key: int,
        anchor: Callable[[int], float],
        anchors: Callable[[Ints], tuple[Floats, Floats]],
        swing: float,
        *,
        minutes: Shapes,
        seconds: Shapes,
    ) -> None:
        self._key, self._anchor, self._anchors, self._swing = key, anchor, anchors, swing
        self.minutes, self.seconds = minutes, seconds
        self._day = lru_cache(maxsize=1)(self._make_day)
        self._minute = lru_cache(maxsize=32)(self._make_minute)

    def price(self, second: int) -> float:
        """The last price before that second: what the bars up to there close with."""
        node, shape = self._minute(second // 60)
        return _border(self.seconds, shape, second % 60, node)

    def hour_nodes(self, hours: Ints) -> Nodes:
        opened, closed = self._anchors(hours)
        words = mixes(self._key, hours).astype(np.int64)
        x, up, down = (((words >> at) & _BITS) / _BITS for at in (6, 16, 26))
        reach = opened * (self._swing * (0.4 + 1.6 * x * x))
        high = np.maximum(opened, closed) + reach * (1 + 0.5 * up)
        low = np.minimum(opened, closed) - reach * (1 + 0.5 * down)
        return Nodes(hours * HOUR, opened, high, low, closed, reach, words % COUNT)

    def minute_nodes(self, hours: Nodes) -> Nodes:
        start = (hours.start[:, None] + np.arange(0, HOUR, 60)).ravel()
        return _parts(self.minutes, hours, start, mixes(self._key + 1, start // 60).astype(np.int64) % COUNT)

    def second_nodes(self, minutes: Nodes) -> Nodes:
        start = (minutes.start[:, None] + np.arange(60)).ravel()
        return _parts(self.seconds, minutes, start, np.zeros_like(start))

    def bars(self, grid: BarGrid, first: int, last: int) -> PathBars:
        """Those that open in [first, last], seconds; no shorter than a minute."""
        opens = grid.opens(first, last)
        if not len(opens):
            return PathBars(opens, *(np.zeros(0) for _ in range(4)))
        end = grid.end(int(opens[-1]))
        nodes = self.hour_nodes(np.arange(int(opens[0]) // HOUR, -(-end // HOUR)))
        if grid.level < HOUR:
            nodes = self.minute_nodes(nodes)
            nodes = nodes.where((nodes.start >= opens[0]) & (nodes.start < end))
        _, at, until = group(nodes.start, opens)
        high, low = np.maximum.reduceat(nodes.high, at), np.minimum.reduceat(nodes.low, at)
        return PathBars(opens, nodes.open[at], high, low, nodes.close[until - 1])

    def extremes(self, second: int) -> tuple[float, float]:
        """High and low of the whole hours of the day before, and of now and a day ago."""
        high, low = self._day(second // HOUR)
        ends = self.price(second), self.price(second - DAY)
        return max(high, *ends), min(low, *ends)

    def _make_day(self, hour: int) -> tuple[float, float]:
        nodes = self.hour_nodes(np.arange(hour - 23, hour))
        return float(nodes.high.max()), float(nodes.low.min())

    def _make_minute(self, minute: int) -> tuple[Node, int]:
        """One of :meth:`minute_nodes`, to the same bit, and its shape."""
        hour, part = divmod(minute, PARTS)
        opened, closed = self._anchor(hour), self._anchor(hour + 1)
        word = mix(self._key, hour)
        x, up, down = (((word >> at) & _BITS) / _BITS for at in (6, 16, 26))
        reach = opened * (self._swing * (0.4 + 1.6 * x * x))
        high = max(opened, closed) + reach * (1 + 0.5 * up)
        low = min(opened, closed) - reach * (1 + 0.5 * down)
        family, shape = self.minutes, word % COUNT
        o, c = (_border(family, shape, at, (opened, closed, high, low, reach)) for at in (part, part + 1))
        room = min(high - max(o, c), min(o, c) - low)
        own = min(reach * float(family.reach[shape, part]), room / MOST_WICK)
        top = min(high, max(o, c) + own * float(family.above[shape, part]))
        bottom = max(low, min(o, c) - own * float(family.below[shape, part]))
        top = high if part == family.top[shape] else top
        bottom = low if part == family.bottom[shape] else bottom
        return (o, c, top, bottom, own), mix(self._key + 1, minute) % COUNT


def _border(family: Shapes, shape: int, at: int, node: Node) -> float:
    opened, closed, high, low, reach = node
    way, bump = float(family.way[shape, at]), float(family.bump[shape, at])
    return min(high, max(low, opened * (1 - way) + closed * way + reach * bump))


def _parts(family: Shapes, whole: Nodes, start: Ints, shape: Ints) -> Nodes:
    """The sixty parts of each. The first opens and the last closes as the whole; one has its high, one its low."""
    way, bump, rows = family.way[whole.shape], family.bump[whole.shape], np.arange(len(whole.start))
    opened, closed, high, low, reach = (
        column[:, None] for column in (whole.open, whole.close, whole.high, whole.low, whole.reach)
    )
    borders = np.minimum(high, np.maximum(low, opened * (1 - way) + closed * way + reach * bump))
    o, c = borders[:, :-1], borders[:, 1:]
    upper, lower = np.maximum(o, c), np.minimum(o, c)
    own = np.minimum(reach * family.reach[whole.shape], np.minimum(high - upper, lower - low) / MOST_WICK)
    highs = np.minimum(high, upper + own * family.above[whole.shape])
    lows = np.maximum(low, lower - own * family.below[whole.shape])
    highs[rows, family.top[whole.shape]] = whole.high
    lows[rows, family.bottom[whole.shape]] = whole.low
    return Nodes(start, o.ravel(), highs.ravel(), lows.ravel(), c.ravel(), own.ravel(), shape)
