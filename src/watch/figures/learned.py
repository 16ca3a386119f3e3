"""Learned scores of a price: how strange its last minutes are, by what was learned of others. Once a minute.

What is asked is a row of `FEATURES`, each from 0 (calm) towards 1. Half-space trees learn it online, of each asset by
itself; an isolation forest was made elsewhere and is asked as it is (``cryptoproxy.models``).
"""

from __future__ import annotations

import math
import random
from array import array
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from cryptoproxy.datasets.times import MINUTE_MS
from cryptoproxy.watch.figures.gauge import ANY, NAN, Edges

FEATURES = ("move_1", "move_5")
"""The move of the last minute and of the last five, in what is usual for such a span: x sigmas as x / (x + 8)."""
_SAID = ("a move of {:.1f} sigma in a minute", "a move of {:.1f} sigma in 5 minutes")
_BACK = (1, 5)
_HOLE_MS = 3 * MINUTE_MS
"""After that it begins anew: a return over it is none of a minute."""
_FEWEST = 30
_WEIGHT = 2 / 241
"""Of the newest minute in what is usual."""
TREES, HEIGHT = 20, 6


class Row(NamedTuple):
    """Of a minute: figures as they are, and from 0 to 1."""

    figures: Sequence[float]
    scaled: Sequence[float]

    @property
    def why(self) -> str:
        """The strangest of them."""
        most = max(range(len(self.scaled)), key=self.scaled.__getitem__)
        return _SAID[most].format(self.figures[most])


class Recent:
    """The last minutes of a price, as a row of features."""

    __slots__ = ("_at", "_last", "_seen", "_variance", "due")

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_BACK[-1] + 1)
        """Logarithms of the prices."""
        self._variance = 0.0
        self._seen, self._at, self.due = 0, 0, 0

    def take(self, at: int, value: float) -> Row | None:
        """None between two minutes, and until there were enough."""
        if at < self.due or value <= 0:
            return None
        self.due = at - at % MINUTE_MS + MINUTE_MS
        if at - self._at > _HOLE_MS:
            self._last.clear()
        last, self._at = self._last, at
        last.append(math.log(value))
        if len(last) < 2:
            return None
        move = last[-1] - last[-2]
        row = self._row() if self._seen >= _FEWEST and len(last) > _BACK[-1] and self._variance > 0 else None
        self._seen += 1
        # A shock counts as six sigma at most, or it would hide the next one.
        most = 36.0 * self._variance if self._variance and self._seen > _FEWEST else math.inf
        self._variance += (min(move * move, most) - self._variance) * max(_WEIGHT, 1 / self._seen)
        return row

    def _row(self) -> Row:
        last, sigma = self._last, math.sqrt(self._variance)
        figures = [abs(last[-1] - last[-1 - back]) / sigma / math.sqrt(back) for back in _BACK]
        return Row(figures, [each / (each + 8.0) for each in figures])

    def dump(self) -> list[Any]:
        return [list(self._last), self._variance, self._seen, self._at, self.due]

    def load(self, known: list[Any]) -> None:
        last, self._variance, self._seen, self._at, self.due = known
        self._last.extend(last)


class _Learned:
    """What both have in common: no more than a sample a minute is looked at."""

    __slots__ = ("_recent", "normal", "why")

    def __init__(self) -> None:
        self._recent = Recent()
        self.normal = NAN
        self.why = ""

    @property
    def due(self) -> float:
        """The next minute."""
        return self._recent.due

    def edges(self, low: float, high: float, value: float) -> Edges:
        """Between two minutes it says nothing."""
        return ANY

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Nor looks at any."""

    def take(self, at: int, value: float) -> float:
        """0 to 1; NaN between two minutes, and until there were enough."""
        row = self._recent.take(at, value)
        if row is None:
            return NAN
        score = self._score(row.scaled)
        if score == score:  # noqa: PLR0124 - not NaN
            self.why = row.why
            self.normal = score if self.normal != self.normal else self.normal + (score - self.normal) * _WEIGHT
        return score

    def _score(self, row: Sequence[float]) -> float:
        raise NotImplementedError


class HalfSpaces(_Learned):
    """Half-space trees (Tan, Ting, Liu 2011): cut at random, they count how many of the last `samples` rows came to
    each place. 1 where none came by, 0.8 where as many did as if all rows were alike, 0 where all did.

    All assets have the same cuts, so that one asset is two rows of counts: 10 kB.
    """

    __slots__ = ("_before", "_count", "_now", "_samples", "_whole")

    def __init__(self, samples: int) -> None:
        super().__init__()
        self._samples = samples
        nodes = TREES << HEIGHT + 1
        self._before, self._now = array("H", bytes(2 * nodes)), array("H", bytes(2 * nodes))
        self._count, self._whole = 0, False

    def _score(self, row: Sequence[float]) -> float:
        """And learns it."""
        density, now, before, few = 0.0, self._now, self._before, 0.1 * self._samples
        for tree, (columns, cuts) in enumerate(_cuts()):
            begin, node, size = tree << HEIGHT + 1, 1, 0.0
            while True:
                now[begin + node] += 1
                if not size and (before[begin + node] <= few or node >> HEIGHT):
                    size = float((before[begin + node] << node.bit_length() - 1) or -1)
                if node >> HEIGHT:
                    break
                node = 2 * node + (row[columns[node]] >= cuts[node])
            density += max(size, 0.0)
        self._count += 1
        score = 1.0 - math.log2(1.0 + density / TREES / self._samples) / (HEIGHT + 0.1) if self._whole else NAN
        if self._count >= self._samples:
            self._before, self._now = now, array("H", bytes(2 * len(now)))
            self._count, self._whole = 0, True
        return score

    def dump(self) -> list[Any]:
        """Counts as bytes."""
        return [self._recent.dump(), self._before.tobytes(), self._now.tobytes(), self._count, self._whole]

    def load(self, known: list[Any]) -> None:
        """The reverse; counts of other trees are left."""
        recent, before, now, count, whole = known
        self._recent.load(recent)
        if len(before) == len(now) == 2 * len(self._now):
            self._before, self._now = array("H", before), array("H", now)
            self._count, self._whole = count, whole


@cache
def _cuts() -> list[tuple[list[int], list[float]]]:
    """Of each tree: by node (1 is its root, 2n and 2n + 1 are below n) the column and where it is cut in half."""
    made = []
    for tree in range(TREES):
        chance = random.Random(tree)
        columns, cuts = [0] * (1 << HEIGHT), [0.0] * (1 << HEIGHT)
        space = []
        for _ in FEATURES:
            middle = chance.random()
            away = 2 * max(middle, 1 - middle)
            space.append((middle - away, middle + away))
        spaces = {1: space}
        for node in range(1, 1 << HEIGHT):
            space = spaces.pop(node)
            column = columns[node] = chance.randrange(len(FEATURES))
            low, high = space[column]
            cut = cuts[node] = (low + high) / 2
            spaces[2 * node] = [*space[:column], (low, cut), *space[column + 1 :]]
            spaces[2 * node + 1] = [*space[:column], (cut, high), *space[column + 1 :]]
        made.append((columns, cuts))
    return made


class Isolation(_Learned):
    """A forest that was made elsewhere: near 1 where a few cuts are enough to be alone."""

    __slots__ = ("_forest",)

    def __init__(self, name: str, version: str) -> None:
        super().__init__()
        self._forest = FORESTS[name, version]

    def _score(self, row: Sequence[float]) -> float:
        return self._forest.score(row)

    def dump(self) -> list[Any]:
        """What is recent."""
        return [self._recent.dump()]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._recent.load(known[0])


class Asked:
    """A forest asked for one row at a time, in lists: for one row numpy's calls would cost a hundred times as much.

    Args:
        arrays: of ``cryptoproxy.models.trees.Forest``: roots, feature, threshold, left, right, value.
        usual: how deep a row is on average (``expected_depth`` of the rows that each tree was made of).
    """

    def __init__(self, version: str, arrays: Sequence[list[Any]], usual: float) -> None:
        self.version = version
        self._roots, self._feature, self._threshold, self._left, self._right, self._value = arrays
        self._usual = usual

    def score(self, row: Sequence[float]) -> float:
        """0 to 1."""
        row = array("f", row)  # as it was made: 32 bits
        feature, threshold, left, right, depth = self._feature, self._threshold, self._left, self._right, 0.0
        for node in self._roots:
            while (column := feature[node]) >= 0:
                node = left[node] if row[column] <= threshold[node] else right[node]  # noqa: PLW2901
            depth += self._value[node]
        return float(2.0 ** (-depth / len(self._roots) / self._usual))


FORESTS: dict[tuple[str, str], Asked] = {}
"""By name and version as rules have them; who puts rules in force puts the forests here first."""
