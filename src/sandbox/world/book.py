"""Order books: levels away from the best price with gaps and sizes of their own, anew in every second."""

from __future__ import annotations

from cryptoproxy.sandbox.world.noise import mix

Level = tuple[int, int]
"""Price in ticks and size in the smallest units."""
WIDEST = 6
"""Ticks between two levels, at most."""


def side(key: int, second: int, best: int, *, step: int, count: int, usual: int) -> list[Level]:
    """So many levels from the best on, in steps of 1 (asks) or -1 (bids), about the ``usual`` size."""
    found: list[Level] = []
    price, base = best, key + second * 2 + (step > 0)
    for n in range(count):
        word = mix(base, n)
        found.append((price, max(1, usual * (1 + word % 400) // 100)))
        price += step * (1 + (word >> 16) % WIDEST)
        if price <= 0:
            break
    return found


def update_id(second: int) -> int:
    """The number of a book's last change."""
    return second * 10 - 10_000_000_000
