"""A book's two ladders of prices, and how far each is known; whose changes they are is no matter here (``books``).

An upstream shows so many levels of a side and no more. What lies beyond the last of them is not known, though single
levels of it may be told later: they are left out, or a depth would look whole and be too small.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from itertools import islice

Level = tuple[float, float]
"""Price, and size as the upstream counts it; 0 takes the level out."""


class Side:
    """Bids or asks, best first, each price once.

    Args:
        sign: -1 for bids, whose best is the highest; 1 for asks.
        levels: of a snapshot, in any order.
        most: so many levels a snapshot shows at most: with fewer it has the whole side.
        moves: whether the upstream keeps showing the best ``most`` levels by itself, and tells what comes into and
            falls out of them; else what is known ends for good where the snapshot ended.
    """

    def __init__(self, sign: int, levels: Iterable[Level], *, most: int, moves: bool) -> None:
        self._sign, self._most, self._moves = sign, most, moves
        self._sizes = {sign * price: size for price, size in levels if size}
        self._keys = sorted(self._sizes)
        self._end: float | None = None
        self._full = False
        self._cut()

    def __len__(self) -> int:
        return len(self._keys)

    def change(self, levels: Iterable[Level]) -> None:
        """Sizes that replace those before."""
        keys, sizes, sign = self._keys, self._sizes, self._sign
        end = None if self._moves else self._end
        for price, size in levels:
            key = sign * price
            if not size:
                if sizes.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
            elif key in sizes:
                sizes[key] = size
            elif end is None or key <= end:
                insort(keys, key)
                sizes[key] = size
        if self._moves:
            self._cut()

    def _cut(self) -> None:
        """A side that was once shown to its last level may have more behind it, however few are left."""
        for key in self._keys[self._most :]:
            del self._sizes[key]
        del self._keys[self._most :]
        self._full = self._full or len(self._keys) == self._most
        if self._full:
            self._end = self._keys[-1] if self._keys else None

    @property
    def best(self) -> float | None:
        """The first price; None where the side is empty."""
        return self._sign * self._keys[0] if self._keys else None

    def runs_out(self, count: int) -> bool:
        """Whether fewer of its best levels are known, and there may be more: prices have moved beyond what is known."""
        return self._full and not self._moves and len(self) < count

    @property
    def known_to(self) -> float | None:
        """The last price up to which every level is known; None where the whole side is."""
        return None if self._end is None else self._sign * self._end

    def first(self, count: int) -> list[Level]:
        """So many levels, or as many as there are."""
        return [(self._sign * key, self._sizes[key]) for key in islice(self._keys, count)]

    def reaching(self, edge: float) -> list[Level] | None:
        """Every level up to this price, itself included; None where not all of them are known."""
        key = self._sign * edge
        if self._full and (self._end is None or key > self._end):
            return None
        return self.first(bisect_right(self._keys, key))


class Ladder:
    """Both sides. Its arguments are those of a :class:`Side`."""

    def __init__(self, bids: Iterable[Level], asks: Iterable[Level], *, most: int, moves: bool) -> None:
        self.bids = Side(-1, bids, most=most, moves=moves)
        self.asks = Side(1, asks, most=most, moves=moves)

    def change(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.bids.change(bids)
        self.asks.change(asks)

    @property
    def crossed(self) -> bool:
        """Whether somebody bids what another one asks: no book stays so, and what shows it is wrong."""
        bid, ask = self.bids.best, self.asks.best
        return bid is not None and ask is not None and bid >= ask
