"""Local order books: what both upstreams' rules have in common, and what a record says of one.

A book is **proven** while every change since its snapshot is known to be in it. A hole or a crossing throws it away:
until a new snapshot is proven there is no book, and what was there before is kept as the last one known
(:attr:`LocalBook.ladder`), to be shown as stale and nothing else. After a cut connection or a silence it is in doubt:
there is no book either, and the number of the next frame tells whether anything was lost.

Whether a book stood so at a moment is told by the frame after that moment: if it joins on, nothing happened in between
(:meth:`LocalBook.joins`).

| why there is no book | |
|---|---|
| ``new`` | nothing has come yet |
| ``hole`` | a change is missing |
| ``crossed`` | a bid at or above an ask: the book, or the snapshot, is wrong |
| ``cut`` | the connection has ended |
| ``silent`` | nothing has come for so long that the stream is suspected |
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Annotated, NamedTuple

from msgspec import Meta

from cryptoproxy.datasets import Book, iso
from cryptoproxy.datasets.contracts.book import BANDS, LEVELS
from cryptoproxy.upstreams.answers.values import iso_of_ms
from cryptoproxy.upstreams.streaming.ladder import Ladder, Level

DOUBTS = ("cut", "silent")
"""Reasons that may turn out to be none."""
ANEW_MS = 10_000
"""A frame so much later whose numbers are lower is no late one: they are counted anew, or those before were wrong."""

Price = Annotated[float, Meta(gt=0, le=1e20)]
Size = Annotated[float, Meta(ge=0, le=1e20)]
Levels = list[tuple[Price, Size]]
"""As both upstreams write them, in texts: for a decoder that is not strict."""

_EXACT = Context(prec=60)


class BookChange(NamedTuple):
    """One frame of a book, whichever upstream's."""

    symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    first: int
    """The number of the first change in it."""
    last: int
    """And of the last."""
    time_ms: int | None
    """The upstream's own time of it."""
    sequence: int = 0
    """Bybit's order over all its books, which only grows."""
    whole: bool = False
    """A snapshot: it replaces what was there."""
    most: int = 0
    """So many levels a side it shows at most."""
    told_ms: int | None = None
    """When the upstream told it, where that is told beside the time of the change."""


class BookOwner(NamedTuple):
    """Whose book it is."""

    source: str
    asset_id: str
    quote: str
    sized_in_quote: bool = False
    """Sizes are in quote and not in base: Bybit's inverse contracts of 1 USD."""


class LocalBook(ABC):
    """The book of one asset, kept by one upstream's rules. Not for several threads.

    Whoever has the stream calls :meth:`take` for each frame in its order and :meth:`lose` when the connection is gone,
    and gets a snapshot while :attr:`wants_snapshot` says so: how, is the upstream's.
    """

    def __init__(self) -> None:
        self.ladder: Ladder | None = None
        """The last one known; true while the book is proven."""
        self.update_id = 0
        self.updated_ms: int | None = None
        self.why = "new"
        """Why there is no book; empty while it is proven."""

    @property
    def proven(self) -> bool:
        return not self.why

    @property
    def _may_go_on(self) -> bool:
        """Whether it is proven, or in doubt."""
        return self.ladder is not None and (not self.why or self.why in DOUBTS)

    @property
    @abstractmethod
    def wants_snapshot(self) -> bool:
        """Whether one must be asked for."""

    @abstractmethod
    def joins(self, change: BookChange) -> bool:
        """Whether this frame comes next: then the book has stood as it is from its last change until this one."""

    @abstractmethod
    def take(self, change: BookChange) -> None:
        """The next frame."""

    def lose(self, why: str) -> None:
        """What is there is not known to be true any more. A doubt says nothing new of a book that is lost."""
        if self._may_go_on or why not in DOUBTS:
            self.why = why

    def _replace(self, ladder: Ladder, update_id: int, time_ms: int | None) -> None:
        """By a snapshot; a crossed one is none."""
        if ladder.crossed:
            self.lose("crossed")
            return
        self.ladder, self.update_id, self.updated_ms, self.why = ladder, update_id, time_ms, ""

    def _apply(self, ladder: Ladder, change: BookChange) -> None:
        ladder.change(change.bids, change.asks)
        self.update_id, self.updated_ms = change.last, change.time_ms or self.updated_ms
        if ladder.crossed:
            self.lose("crossed")


def lacks(book: LocalBook) -> str:
    """Why it cannot be a record as it stands: ``empty`` (a side has no level), ``beyond`` (of a side fewer of the best
    levels are known than a record has, and there may be more); else nothing."""
    sides = (book.ladder.bids, book.ladder.asks) if book.ladder else ()
    if any(side.runs_out(LEVELS) for side in sides):
        return "beyond"
    return "" if sides and all(sides) else "empty"


def record(book: LocalBook, asset: BookOwner, *, slot_ms: int, fetched_at_ms: int, interval_ms: int) -> Book | None:
    """The book as it stands, as the record of a slot; None where something :func:`lacks`.

    Prices are compared and halved in decimal, so that a level that lies just on the edge of a band is in it.
    """
    ladder = book.ladder
    if ladder is None or lacks(book):
        return None
    bids, asks = ladder.bids.first(LEVELS), ladder.asks.first(LEVELS)
    bid, ask = (Decimal(repr(side[0][0])) for side in (bids, asks))
    mid = _EXACT.divide(_EXACT.add(bid, ask), 2)
    spread = _EXACT.subtract(ask, bid)
    depths = {
        f"{name}_depth_{band}bps": _worth(side.reaching(float(_EXACT.multiply(mid, share))), asset)
        for band in BANDS
        for name, side, share in (
            ("bid", ladder.bids, 1 - Decimal(band).scaleb(-4)),
            ("ask", ladder.asks, 1 + Decimal(band).scaleb(-4)),
        )
    }
    bids, asks = _in_base(bids, asset), _in_base(asks, asset)
    both = min(len(bids), len(asks))
    bidden, asked = (math.fsum(size for _, size in side[:both]) for side in (bids, asks))
    return Book(
        source=asset.source,
        asset_id=asset.asset_id,
        symbol=asset.asset_id,
        quote=asset.quote,
        timestamp=iso(slot_ms),
        fetched_at=iso(fetched_at_ms),
        last_updated=iso_of_ms(book.updated_ms),
        update_id=book.update_id,
        bid_price=bids[0][0],
        ask_price=asks[0][0],
        mid=float(mid),
        spread=float(spread),
        spread_bps=float(_EXACT.divide(spread, mid).scaleb(4)),
        imbalance=(bidden - asked) / (bidden + asked),
        bids_known_to=ladder.bids.known_to,
        asks_known_to=ladder.asks.known_to,
        bids=bids,
        asks=asks,
        interval_ms=interval_ms,
        **depths,
    )


def _worth(levels: Sequence[Level] | None, asset: BookOwner) -> float | None:
    """In quote."""
    if levels is None:
        return None
    return math.fsum(size if asset.sized_in_quote else price * size for price, size in levels)


def _in_base(levels: list[Level], asset: BookOwner) -> list[Level]:
    return [(price, size / price) for price, size in levels] if asset.sized_in_quote else levels
