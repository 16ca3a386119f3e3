"""The trades of a tape one by one: of a second the first, the extremes, the last, and what lies between.

Their sizes, with the takers' side, and their numbers add up to the second's exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cryptoproxy.sandbox.world.counts import SIZES
from cryptoproxy.sandbox.world.noise import mix
from cryptoproxy.sandbox.world.tape import Tape

_LEAST = max(SIZES)
"""Units in an aggregate trade: one for each trade in it."""


class Aggregate(NamedTuple):
    """An order of a taker: ``trades`` trades at one price and one time, the first with the number ``first``."""

    number: int
    price: int
    """In ticks."""
    size: int
    """In the smallest units."""
    first: int
    trades: int
    ms: int
    buyer_is_maker: bool

    def split(self) -> Iterator[tuple[int, int]]:
        """Number and size of each trade."""
        each = self.size // self.trades
        for n in range(self.trades - 1):
            yield self.first + n, each
        yield self.first + self.trades - 1, self.size - each * (self.trades - 1)


def between(tape: Tape, start_ms: int, end_ms: int) -> Iterator[Aggregate]:
    """In order, from ``start_ms`` to ``end_ms`` (not included)."""
    for second in _seconds(tape, start_ms // 1000, -(-end_ms // 1000)):
        yield from (trade for trade in second if start_ms <= trade.ms < end_ms)


def from_number(tape: Tape, number: int, until: int) -> Iterator[Aggregate]:
    """In order, from that number on, up to the second ``until``."""
    minutes = tape.minutes(tape.hour_of(number, until))
    at = int(np.searchsorted(minutes.number, number, "right")) - 1
    for second in _seconds(tape, int(minutes.start[max(0, at)]), until) if len(minutes.start) else ():
        yield from (trade for trade in second if trade.number >= number)


def newest(tape: Tape, until: int, limit: int) -> list[Aggregate]:
    """The last before the second ``until``, oldest first."""
    found: list[Aggregate] = []
    minute = until // 60 if tape.delisted is None else min(until, tape.delisted) // 60
    while len(found) < limit and minute * 60 >= tape.listed:
        seconds = list(_seconds(tape, minute * 60, min(until, minute * 60 + 60)))
        found = [trade for second in seconds for trade in second] + found
        minute -= 1
    return found[-limit:]


def _seconds(tape: Tape, start: int, end: int) -> Iterator[list[Aggregate]]:
    """The trades of each second in [start, end) that has some."""
    start, end = max(start, tape.listed), end if tape.delisted is None else min(end, tape.delisted)
    for minute in range(start // 60, -(-end // 60)):
        candles = tape.seconds(minute)
        for row, number, count in zip(
            candles.rows(), candles.number.tolist(), candles.aggregates.tolist(), strict=True
        ):
            if count and start <= row[0] < end:
                yield _second(tape.key, row, number, count)


def _second(key: int, row: tuple[int, ...], number: int, count: int) -> list[Aggregate]:
    second, opened, high, low, closed, volume, bought, *_ = row
    way = (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
    third = max(1, count // 3)
    turns = (0, third, max(third + 1, count * 2 // 3), count - 1)
    buys = min(max(round(count * bought / volume), count - (volume - bought) // _LEAST), bought // _LEAST)
    bought_sizes = _sizes(key + second, bought, buys)
    sold_sizes = _sizes(key - second, volume - bought, count - buys)
    found = []
    for i in range(count):
        leg = 0 if i < turns[1] else 1 if i < turns[2] else 2
        step, length = i - turns[leg], turns[leg + 1] - turns[leg]
        price = way[leg] + round((way[leg + 1] - way[leg]) * step / length)
        buy = (i + 1) * buys // count > i * buys // count
        ms = second * 1000 + (i * 1000 + mix(key, number + i) % 1000) // count
        whole, rest = divmod(number + i, len(SIZES))
        first = whole * sum(SIZES) + sum(SIZES[:rest])
        size = bought_sizes.pop() if buy else sold_sizes.pop()
        found.append(Aggregate(number + i, price, size, first, SIZES[rest], ms, not buy))
    return found


def _sizes(key: int, total: int, count: int) -> list[int]:
    """So many sizes, uneven, that are ``total`` together."""
    if not count:
        return []
    weights = [1 + mix(key, i) % 97 for i in range(count)]
    free, whole, seen, before, sizes = total - count * _LEAST, sum(weights), 0, 0, []
    for weight in weights:
        seen += weight
        until = free * seen // whole
        sizes.append(_LEAST + until - before)
        before = until
    return sizes
