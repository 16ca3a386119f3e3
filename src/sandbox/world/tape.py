"""What is traded of one pair: bars with their volumes, counted exactly, in the pair's own units.

Base volumes, quote volumes and numbers of trades are whole numbers and are split top down like the price, so that the
sums of shorter bars are the longer bar's to the last digit. A bar's quote volume is its volume at about the mean of
first and last price. Trades carry numbers without a hole from the first on; ``trades`` makes them one by one.

Nothing is traded before the listing, after the delisting, or while the exchange is down: then there are no bars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cryptoproxy.sandbox.world.counts import NOTHING, TRADES_PER_SECOND, UNITS, CandleArrays, Counts, first_trade, split
from cryptoproxy.sandbox.world.intervals import BarGrid, group
from cryptoproxy.sandbox.world.noise import Floats, Ints, draw, noises
from cryptoproxy.sandbox.world.path import HOUR, Nodes, Path
from cryptoproxy.sandbox.world.shapes import PARTS

UNEVEN = 0.2
"""How far the trade runs ahead of the clock, in hours."""
_MOST_QUOTE = 4e18


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is traded, and what the numbers look like."""

    scale: float
    """The path's price over the pair's."""
    price: float
    """About."""
    price_decimals: int
    size_decimals: int
    volume: float
    """Base units per hour."""
    aggregates: float
    """Per hour."""
    quote_decimals: int | None = None
    """None: as many as there can be."""


class Tape:
    """All that is traded of one pair between listing and delisting, in whole hours.

    Args:
        key: of its noise, for sizes and counts; the price is the path's.
        down: hours [from, to) in which the exchange was down.
    """

    def __init__(
        self,
        path: Path,
        key: int,
        sizes: Sizes,
        *,
        listed: int,
        delisted: int | None = None,
        down: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.path, self.key, self.sizes = path, key, sizes
        self.listed, self.delisted = -(-listed // HOUR) * HOUR, None if delisted is None else delisted // HOUR * HOUR
        self._down = [(start // HOUR, end // HOUR) for start, end in down if start >= self.listed]
        self._least = path.seconds.active * TRADES_PER_SECOND
        least = path.minutes.active * self._least
        self._rate = max(sizes.aggregates, 4.0 * least)
        self._units = max(sizes.volume * 10.0**sizes.size_decimals - UNITS * self._rate, 3 * self._rate)
        self._per_tick = 10.0**sizes.price_decimals / sizes.scale
        a_month = 31 * 24 * (self._units + UNITS * self._rate) / 10.0**sizes.size_decimals * sizes.price * 4
        most = min(8, sizes.price_decimals + sizes.size_decimals, int(math.log10(_MOST_QUOTE / max(a_month, 1))))
        self.quote_decimals = most if sizes.quote_decimals is None else sizes.quote_decimals
        self._recent = (0, 0, self._made_hours(np.zeros(0, dtype=np.int64)))
        """Hours [from, to) and what they are, of which single ones are likely to be wanted."""
        self._hours_of = lru_cache(maxsize=1)(self._make_hours)
        self._minutes_of = lru_cache(maxsize=3)(self._make_minutes)
        self._seconds_of = lru_cache(maxsize=2)(self._make_seconds)

    def price_ticks(self, second: int) -> int:
        """The last price before that second, in ticks."""
        return int(self._ticks(np.array([self.path.price(second)]))[0])

    def alive(self, second: int) -> bool:
        """Whether it is traded at that second."""
        return len(self._alive(second // HOUR, second // HOUR + 1)) == 1

    def candles(self, grid: BarGrid, first: int, last: int, now: int) -> CandleArrays:
        """Bars that open in [first, last] and have begun before ``now``; one that has not ended is as far as it is."""
        last = min(last, now - 1, (self.delisted or now) - 1)
        first = max(first, grid.floor(self.listed))
        opens = grid.opens(first, last)
        if not len(opens):
            return NOTHING
        open_bar = grid.end(int(opens[-1])) > now
        whole = opens[:-1] if open_bar else opens
        parts = []
        if len(whole):
            parts.append(self._nodes(grid.level, int(whole[0]), grid.end(int(whole[-1]))))
        if open_bar:
            parts.append(self._span(int(opens[-1]), now))
        return self._grouped(_joined(parts), opens)

    def window(self, start: int, end: int) -> CandleArrays:
        """All between two seconds as one bar; empty where nothing is traded."""
        return self._grouped(self._span(start, end), np.array([start], dtype=np.int64))

    def seconds(self, minute: int) -> CandleArrays:
        """The sixty seconds of a minute, counted since 1970; empty where nothing is traded."""
        nodes, counts = self._seconds_of(minute)
        return self._grouped((nodes, counts), nodes.start)

    def minutes(self, hour: int) -> CandleArrays:
        """The sixty minutes of an hour."""
        nodes, counts = self._minutes_of(hour)
        return self._grouped((nodes, counts), nodes.start)

    def next_number(self, second: int) -> int:
        """The number of the first aggregate trade at or after that second (a whole hour)."""
        return int(self._numbers(np.array([second // HOUR]))[0])

    def next_trade(self, second: int) -> int:
        """The number of the first trade at or after that second."""
        minute = second // 60
        found = _cut(self._minutes_of(minute // PARTS), minute * 60, minute * 60 + 60)[1]
        if not len(found.number):
            hours = np.array([-(-second // HOUR)])
            return int(first_trade(self._numbers(np.maximum(hours, self.listed // HOUR)))[0])
        inside = _cut(self._seconds_of(minute), minute * 60, second)[1]
        return int(first_trade(found.number + inside.aggregates.sum())[0])

    def hour_of(self, number: int, until: int) -> int:
        """The hour in which that aggregate trade was, or the one of ``until`` (seconds) if it is still to come."""
        low, high = self.listed // HOUR, until // HOUR
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.next_number(middle * HOUR) <= number else (low, middle - 1)
        return low

    def _grouped(self, found: tuple[Nodes, Counts], opens: Ints) -> CandleArrays:
        nodes, counts = found
        there, at, until = group(nodes.start, opens)
        if not len(there):
            return NOTHING
        high, low = np.maximum.reduceat(nodes.high, at), np.minimum.reduceat(nodes.low, at)
        prices = nodes.open[at], high, low, nodes.close[until - 1]
        opened, highest, lowest, closed = (self._ticks(price) for price in prices)
        whole = counts.volume, counts.bought, counts.quote, counts.quote_bought, counts.aggregates
        volume, bought, quote, quote_bought, aggregates = (np.add.reduceat(column, at) for column in whole)
        return CandleArrays(
            start=opens[there],
            open=opened,
            high=highest,
            low=lowest,
            close=closed,
            volume=volume,
            bought=bought,
            quote=quote,
            quote_bought=quote_bought,
            number=counts.number[at],
            aggregates=aggregates,
        )

    def _ticks(self, prices: Floats) -> Ints:
        return np.maximum(1, np.rint(prices * self._per_tick)).astype(np.int64)

    def _nodes(self, level: int, start: int, end: int) -> tuple[Nodes, Counts]:
        """Spans of 1, 60 or 3600 seconds in [start, end), as far as there is trade."""
        hours = self._made_hours(self._alive(start // HOUR, -(-end // HOUR)))
        if level == HOUR:
            return hours
        minutes = self._split_hours(*hours)
        floor = start // 60 * 60
        chosen = (minutes[0].start >= floor) & (minutes[0].start < end)
        minutes = minutes[0].where(chosen), minutes[1].where(chosen)
        if level == 60:
            return minutes
        seconds = self._split_minutes(*minutes)
        chosen = (seconds[0].start >= start) & (seconds[0].start < end)
        return seconds[0].where(chosen), seconds[1].where(chosen)

    def _span(self, start: int, end: int) -> tuple[Nodes, Counts]:
        """What lies in [start, end), in as few spans as there are; ``start`` a whole minute, unless both are in one."""
        if start // 60 == end // 60 or start % 60:
            return self._nodes(1, start, end)
        minute, hour, first_hour = end // 60 * 60, end // HOUR * HOUR, -(-start // HOUR) * HOUR
        hours = self._hours_of(start // HOUR, hour // HOUR + 1)
        parts = []
        if first_hour > hour:  # within one hour
            parts.append(_cut(self._minutes_of(hour // HOUR), start, minute))
        else:
            if start < first_hour:
                parts.append(_cut(self._minutes_of(start // HOUR), start, first_hour))
            if first_hour < hour:
                parts.append(_cut(hours, first_hour, hour))
            if hour < minute:
                parts.append(_cut(self._minutes_of(hour // HOUR), hour, minute))
        if minute < end:
            parts.append(_cut(self._seconds_of(minute // 60), minute, end))
        return _joined(parts)

    def _alive(self, first: int, end: int) -> Ints:
        """The hours of [first, end) in which there is trade."""
        last = end if self.delisted is None else min(end, self.delisted // HOUR)
        hours = np.arange(max(first, self.listed // HOUR), last, dtype=np.int64)
        for start, until in self._down:
            if first < until and start < end:
                hours = hours[(hours < start) | (hours >= until)]
        return hours

    def _numbers(self, hours: Ints) -> Ints:
        return self._until(hours, self._rate, 0)

    def _until(self, hours: Ints, rate: float, salt: int) -> Ints:
        """How many there were from the listing up to the beginning of these hours."""
        open_hours = hours - self.listed // HOUR
        for start, end in self._down if len(hours) else ():
            if hours[-1] > start:
                open_hours = open_hours - (
                    end - start if hours[0] >= end else np.minimum(np.maximum(hours - start, 0), end - start)
                )
        ahead = UNEVEN * (noises(self.key + salt, open_hours) - draw(self.key + salt, 0))
        return np.floor(rate * (open_hours + ahead)).astype(np.int64)

    def _make_hours(self, first: int, end: int) -> tuple[Nodes, Counts]:
        self._recent = first, end, self._made_hours(self._alive(first, end))
        return self._recent[2]

    def _make_minutes(self, hour: int) -> tuple[Nodes, Counts]:
        first, end, hours = self._recent
        if not first <= hour < end:
            hours = self._made_hours(self._alive(hour, hour + 1))
        return self._split_hours(*_cut(hours, hour * HOUR, hour * HOUR + HOUR))

    def _make_seconds(self, minute: int) -> tuple[Nodes, Counts]:
        hour = self._minutes_of(minute // PARTS)
        return self._split_minutes(*_cut(hour, minute * 60, minute * 60 + 60))

    def _made_hours(self, hours: Ints) -> tuple[Nodes, Counts]:
        nodes = self.path.hour_nodes(hours)
        number = self._numbers(hours)
        aggregates = self._numbers(hours + 1) - number
        more = self._until(hours + 1, self._units, 1) - self._until(hours, self._units, 1)
        volume = UNITS * aggregates + more
        buyers = 0.5 + 0.08 * noises(self.key + 2, hours)
        mean = (nodes.open + nodes.close) / 2 / self.sizes.scale
        quote = np.floor(volume * mean * 10.0 ** (self.quote_decimals - self.sizes.size_decimals))
        bought, quote_bought = (np.floor(whole * buyers).astype(np.int64) for whole in (volume, quote))
        return nodes, Counts(number, aggregates, volume, bought, quote.astype(np.int64), quote_bought)

    def _split_hours(self, nodes: Nodes, counts: Counts) -> tuple[Nodes, Counts]:
        parts = self.path.minute_nodes(nodes)
        return parts, split(self.path.minutes, nodes, counts, parts, self._least)

    def _split_minutes(self, nodes: Nodes, counts: Counts) -> tuple[Nodes, Counts]:
        parts = self.path.second_nodes(nodes)
        return parts, split(self.path.seconds, nodes, counts, parts, TRADES_PER_SECOND)


def _cut(found: tuple[Nodes, Counts], start: int, end: int) -> tuple[Nodes, Counts]:
    low, high = np.searchsorted(found[0].start, (start, end))
    chosen = slice(int(low), int(high))
    return found[0].where(chosen), found[1].where(chosen)


def _joined(parts: Sequence[tuple[Nodes, Counts]]) -> tuple[Nodes, Counts]:
    if len(parts) == 1:
        return parts[0]
    nodes, counts = zip(*((part[0].columns, part[1].columns) for part in parts), strict=True)
    return (
        Nodes(*(np.concatenate(columns) for columns in zip(*nodes, strict=True))),
        Counts(*(np.concatenate(columns) for columns in zip(*counts, strict=True))),
    )
