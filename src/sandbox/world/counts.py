"""How much is traded in spans of time, in whole numbers that are split without a rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from cryptoproxy.sandbox.world.noise import Floats, Ints
from cryptoproxy.sandbox.world.path import Chosen, Nodes
from cryptoproxy.sandbox.world.shapes import Shapes

TRADES_PER_SECOND = 4
"""At least, in a second that is traded in: a first, a highest, a lowest and a last one."""
UNITS = 6
"""Of size, in an aggregate trade, at least."""
SIZES = (1, 1, 2, 3)
"""Trades in an aggregate trade, by its number: one order of a taker, filled by so many makers."""
_BEFORE = (0, 1, 2, 4)


def first_trade(aggregates: Ints) -> Ints:
    """The number of the first trade of an aggregate trade."""
    whole, rest = np.divmod(aggregates, len(SIZES))
    numbers: Ints = whole * sum(SIZES) + np.array(_BEFORE)[rest]
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What is traded in spans: sizes in the pair's smallest units, ``number`` the first aggregate trade's."""

    number: Ints
    aggregates: Ints
    volume: Ints
    bought: Ints
    """Of the volume, by takers."""
    quote: Ints
    quote_bought: Ints

    @property
    def columns(self) -> tuple[Ints, ...]:
        return self.number, self.aggregates, self.volume, self.bought, self.quote, self.quote_bought

    def where(self, chosen: Chosen) -> Self:
        return type(self)(*[column[chosen] for column in self.columns])


@dataclass(frozen=True, slots=True, eq=False)
class CandleArrays:
    """Bars as an exchange has them; prices in ticks, ``start`` in seconds."""

    start: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    bought: Ints
    quote: Ints
    quote_bought: Ints
    number: Ints
    aggregates: Ints

    @property
    def trades(self) -> Ints:
        return first_trade(self.number + self.aggregates) - first_trade(self.number)

    def rows(self) -> list[tuple[int, ...]]:
        """Start, open, high, low, close, the four volumes as above, the number of trades."""
        prices = self.start, self.open, self.high, self.low, self.close
        columns = (*prices, self.volume, self.bought, self.quote, self.quote_bought, self.trades)
        return list(zip(*[column.tolist() for column in columns], strict=True))


NOTHING = CandleArrays(*(np.zeros(0, dtype=np.int64),) * 11)


def split(family: Shapes, whole: Nodes, counts: Counts, parts: Nodes, least: int) -> Counts:
    """Over the sixty parts of each: every traded part gets ``least`` aggregate trades with ``UNITS`` each, the rest
    goes by the shape's shares."""
    share, traded = family.share[whole.shape], family.traded[whole.shape]
    total = counts.aggregates[:, None]
    numbers = np.where(total > 0, traded * least, 0) + np.floor(
        np.maximum(total - family.active * least, 0) * share
    ).astype(np.int64)
    volumes = UNITS * numbers + np.floor((counts.volume[:, None] - UNITS * total) * share).astype(np.int64)
    numbers[:, -1], volumes[:, -1] = counts.aggregates, counts.volume
    sizes = volumes[:, 1:] - volumes[:, :-1]
    means = (parts.open + parts.close).reshape(sizes.shape) / 2
    worth = np.cumsum(sizes * means, axis=1)
    of_volume = volumes[:, 1:] / np.maximum(counts.volume[:, None], 1)
    of_worth = worth / np.maximum(worth[:, -1:], np.finfo(float).tiny)
    return Counts(
        (counts.number[:, None] + numbers[:, :-1]).ravel(),
        (numbers[:, 1:] - numbers[:, :-1]).ravel(),
        sizes.ravel(),
        _shared(counts.bought, of_volume),
        _shared(counts.quote, of_worth),
        _shared(counts.quote_bought, of_worth),
    )


def _shared(whole: Ints, until: Floats) -> Ints:
    """A whole number by shares up to each part, the last getting what is left."""
    borders = np.floor(whole[:, None] * until).astype(np.int64)
    borders[:, -1] = whole
    borders[:, 1:] -= borders[:, :-1].copy()
    return borders.ravel()
