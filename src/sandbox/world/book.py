"""Order books: a level is there or not, and as large as it is, as a function of its price and the time.

Time is counted in tenths of a second since 1970. Each price has a period of its own after which its size is another,
or it is no level any more; so any two moments can be compared without what lies between them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cryptoproxy.sandbox.world.noise import Ints, mixes

Level = tuple[int, int]
"""Price in ticks and size in the smallest units; size 0: no longer there."""
Sides = tuple[list[Level], list[Level]]
"""Bids and asks, each from the best on."""

_Habits = tuple[Ints, Ints, Ints, Ints]
"""Prices, a random word for each, and how long a size stays there, from when on."""

PERIODS = np.array([10, 30, 70, 150, 400, 900], dtype=np.int64)
"""Tenths that the size of a level stays, by its price."""
OFTEN = 292
"""Of 1024 prices so many have a level: one in three and a half."""
REACH = 1500
"""Ticks from the best price on in which a change is told: some 430 levels."""
TENTHS_SINCE = 10_000_000_000
"""Before numbers of changes begin."""


def change_id(tenth: int) -> int:
    """The number of a book's last change: one in each tenth."""
    return tenth - TENTHS_SINCE


class Book:
    """The book of one pair. ``best`` are bid and ask by the second, in ticks; sizes are about the ``usual``."""

    def __init__(self, key: int, usual: int, best: Callable[[int], tuple[int, int]]) -> None:
        self._key, self._usual, self.best = key, usual, best
        # Within a second the best prices stay, and what is ``after`` is the next one's ``before``.
        self._fixed = lru_cache(maxsize=4)(self._make_fixed)
        self._near = lru_cache(maxsize=8)(self._make_near)

    def top(self, tenth: int, count: int) -> Sides:
        """So many levels of each side."""
        bid, ask = self.best(tenth // 10)
        return self._top(tenth, bid, -1, count), self._top(tenth, ask, 1, count)

    def changes(self, before: int, after: int) -> Sides:
        """What is other at ``after`` than it was at ``before``, and all that has come within reach since."""
        old, new = self.best(before // 10), self.best(after // 10)
        return self._changed(before, after, old[0], new[0], -1), self._changed(before, after, old[1], new[1], 1)

    def _top(self, tenth: int, best: int, step: int, count: int) -> list[Level]:
        width = count * 4 + 40
        while True:
            prices = _reach(best, step, width)
            sizes = self._sizes(tenth, self._habits(prices, step), best, step)
            there = np.flatnonzero(sizes)
            if len(there) >= count or len(prices) < width:
                chosen = there[:count]
                return list(zip(prices[chosen].tolist(), sizes[chosen].tolist(), strict=True))
            width *= 2

    def _changed(self, before: int, after: int, old: int, new: int, step: int) -> list[Level]:
        if old == new:
            prices, size = self._fixed(new, step)[0], self._near(after, new, step)
            changed = self._near(before, new, step) != size
        else:
            near, far = (min, max) if step > 0 else (max, min)
            prices = _reach(near(old, new), step, abs(far(old, new) - near(old, new)) + REACH)
            fixed = self._habits(prices, step)
            was, size = (self._sizes(tenth, fixed, best, step) for tenth, best in ((before, old), (after, new)))
            in_old, in_new = (np.abs(prices - best) < REACH for best in (old, new))
            ahead = (prices - new) * step < 0  # better than the best: no longer there
            changed = (in_new | ahead) & ((was != size) | ~in_old)
        return list(zip(prices[changed].tolist(), size[changed].tolist(), strict=True))

    def _make_near(self, tenth: int, best: int, step: int) -> Ints:
        return self._sizes(tenth, self._fixed(best, step), best, step)

    def _make_fixed(self, best: int, step: int) -> _Habits:
        return self._habits(_reach(best, step, REACH), step)

    def _habits(self, prices: Ints, step: int) -> _Habits:
        words = mixes(self._key + (step > 0), prices).astype(np.int64)
        period = PERIODS[words % len(PERIODS)]
        return prices, words, period, (words >> 8) % period

    def _sizes(self, tenth: int, habits: _Habits, best: int, step: int) -> Ints:
        """Of each price the size of its level, 0 where there is none. The best price always has one."""
        prices, words, period, phase = habits
        now = mixes(self._key + 2, words + (tenth + phase) // period).astype(np.int64)
        size = np.maximum(1, self._usual * (1 + (now >> 16) % 400) // 100)
        there = ((now & 1023) < OFTEN) | (prices == best)
        return np.where(there & ((prices - best) * step >= 0), size, 0)


def _reach(best: int, step: int, width: int) -> Ints:
    """So many prices from the best on, none below a tick."""
    return np.arange(best, best + width) if step > 0 else np.arange(best, max(0, best - width), -1)
