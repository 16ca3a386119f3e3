"""How what happens in an hour is spread over its minutes, and in a minute over its seconds: always over sixty.

A shape is a random way from the first price to the last, with the share of the trade that falls on each part. Two
things hold for all of them, so that a bar can be told without looking at its parts: the way stays within the reach
of its whole (``bump`` in [-1, 1]), and weighed by their shares the parts' mean prices have the mean of first and last
price as their mean. Where nothing is traded the price does not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np

from cryptoproxy.sandbox.world.noise import Floats, Ints

PARTS = 60
COUNT = 64
"""Shapes of a family; a place takes one by its lowest bits."""
MOST_WICK = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """A family: ``COUNT`` shapes with as many parts that are traded in. Rows are shapes; columns are the 61 borders
    of the parts (``way``, ``bump``, ``share``, ``traded``: from the beginning up to there), or the parts."""

    active: int
    way: Floats
    """From 0, the first price, to 1, the last."""
    bump: Floats
    share: Floats
    traded: Ints
    reach: Floats
    """Of a part, over that of the whole."""
    above: Floats
    below: Floats
    """How far a part's extremes lie beyond its first and last price, over its reach."""
    top: Ints
    bottom: Ints
    """The part that has the extreme of the whole."""


@cache
def shapes(active: int, *, wicks: bool) -> Shapes:
    """The family with so many traded parts of the sixty; without ``wicks`` only two parts go beyond first and last."""
    random = Random(f"{active}/{wicks}")
    made = [_shape(random, active, wicks=wicks) for _ in range(COUNT)]
    way, bump, share, traded, reach, above, below, top, bottom = (
        np.array(column) for column in zip(*made, strict=True)
    )
    return Shapes(active, way, bump, share, traded, reach, above, below, top, bottom)


def _shape(random: Random, active: int, *, wicks: bool) -> tuple[object, ...]:
    traded = np.zeros(PARTS, dtype=np.int64)
    traded[[0, PARTS - 1, *random.sample(range(1, PARTS - 1), active - 2)]] = 1

    def per_part(low: float, high: float) -> Floats:
        return np.array([random.uniform(low, high) for _ in range(PARTS)]) * traded

    while True:
        way = _summed(per_part(0.2, 1.8))
        way /= way[-1]
        shares = per_part(0.3, 1.7)
        shares /= shares.sum()
        middle = _means(way) - 0.5
        shares *= 1 - middle * (shares @ middle) / (shares @ middle**2)
        bump = _summed(per_part(-1, 1))
        bump -= way * bump[-1]
        hill = way * (1 - way)
        bump -= hill * (shares @ _means(bump)) / (shares @ _means(hill))
        bump[0] = bump[-1] = 0
        bump /= abs(bump).max()
        highs, lows = np.maximum(bump[:-1], bump[1:]), np.minimum(bump[:-1], bump[1:])
        top = int(np.argmax(np.where(traded == 1, highs, -2)))
        bottom = int(np.argmin(np.where(traded == 1, lows, 2)))
        if top != bottom and (shares[traded == 1] > 0.1 / active).all():
            break
    share = _summed(shares)
    share /= share[-1]
    way[-1] = 1.0
    reach = per_part(0.06, 0.3)
    above, below = (per_part(1.0, MOST_WICK) if wicks else np.zeros(PARTS) for _ in range(2))
    return way, bump, share, np.concatenate(([0], np.cumsum(traded))), reach, above, below, top, bottom


def _summed(parts: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(parts)))


def _means(borders: Floats) -> Floats:
    return (borders[:-1] + borders[1:]) / 2
