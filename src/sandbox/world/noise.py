"""Random numbers that are a function of a key and a place: the same on every machine, one by one and as arrays."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

MASK = (1 << 64) - 1
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@lru_cache(maxsize=1 << 15)
def key_of(seed: int, name: str) -> int:
    """A stable 64-bit number for a seed and a name (FNV-1a)."""
    value = 0xCBF29CE484222325 ^ (seed & MASK)
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(key: int, n: int) -> int:
    """64 bits out of key and place: splitmix64."""
    z = (key + n * _STEP) & MASK
    z = ((z ^ (z >> 30)) * _FIRST) & MASK
    z = ((z ^ (z >> 27)) * _SECOND) & MASK
    return z ^ (z >> 31)


def mixes(key: int, places: Ints) -> Words:
    """:func:`mix` for many places."""
    z = places.astype(np.uint64) * np.uint64(_STEP) + np.uint64(key & MASK)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


def draw(key: int, n: int) -> float:
    """In [-1, 1)."""
    return (mix(key, n) >> 11) * 2.0**-52 - 1.0


noise = lru_cache(maxsize=1 << 16)(draw)
"""For slow scales, which ask for the same again and again."""


def noises(key: int, places: Ints) -> Floats:
    """:func:`draw` for many places."""
    return (mixes(key, places) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
