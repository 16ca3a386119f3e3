"""``book``: the best levels of one order book at a slot, and what follows from the whole of it as far as it is known.

Kept of a local book that is proven to be the upstream's (``upstreams/streaming/books.py``). A slot at which it was not
has no record: an old book is never told as a new one. A depth that reaches beyond what is known of a side is absent,
never smaller.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly, cut
from cryptoproxy.datasets.dataset import Dataset, Part, Period
from cryptoproxy.datasets.fields import KEPT, AssetId, Quote, Source, Time, Unit, number
from cryptoproxy.datasets.times import from_iso, moment_of
from cryptoproxy.errors import PoisonError

LEVELS = 20
"""Of each side; all of them where it has fewer."""
BANDS = (10, 50, 100)
"""Basis points from mid that depth is told of."""

_DEPTH = "Price times size of every {} within {} basis points of mid; absent where not all of them are known."
_Levels = list[tuple[Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]]]


def _depth(side: str, band: int) -> Meta:
    return number(Unit.QUOTE, _DEPTH.format(side, band))


class Book(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One order book as it stood at a slot: its best 20 levels a side, spread, depth, imbalance."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTCUSDT.")]
    quote: Quote
    timestamp: Annotated[
        Time,
        Meta(description="The slot: every change before it, by the upstream's own time, is in it, and none after it."),
    ]
    fetched_at: Annotated[
        Time, Meta(description="When the frame had come that proves it, the next one after the slot.")
    ]
    last_updated: Annotated[Time | None, Meta(description="The upstream's own time of the last change in it.")] = None
    update_id: Annotated[int | None, number(Unit.COUNT, "The upstream's number of the last change in it.")] = None
    bid_price: Annotated[float, number(Unit.QUOTE, "Best bid.", gt=0)]
    ask_price: Annotated[float, number(Unit.QUOTE, "Best ask.", gt=0)]
    mid: Annotated[float, number(Unit.QUOTE, "Halfway between best bid and best ask.", searched=True, gt=0)]
    spread: Annotated[float, number(Unit.QUOTE, "Best ask less best bid.", gt=0)]
    spread_bps: Annotated[float, number(Unit.BASIS_POINTS, "The same of mid: 1 is 0.01 %.", searched=True, gt=0)]
    imbalance: Annotated[
        Annotated[float, Meta(ge=-1, le=1)],
        number(
            Unit.FRACTION,
            "(bids - asks) / (bids + asks), by the sizes of the levels below, as many of either side: 1 is all bids.",
            searched=True,
        ),
    ]
    bid_depth_10bps: Annotated[float | None, _depth("bid", 10)] = None
    ask_depth_10bps: Annotated[float | None, _depth("ask", 10)] = None
    bid_depth_50bps: Annotated[float | None, _depth("bid", 50)] = None
    ask_depth_50bps: Annotated[float | None, _depth("ask", 50)] = None
    bid_depth_100bps: Annotated[float | None, _depth("bid", 100)] = None
    ask_depth_100bps: Annotated[float | None, _depth("ask", 100)] = None
    bids_known_to: Annotated[
        float | None, number(Unit.QUOTE, "Down to this price every bid is known; absent where all are.")
    ] = None
    asks_known_to: Annotated[
        float | None, number(Unit.QUOTE, "Up to this price every ask is known; absent where all are.")
    ] = None
    bids: Annotated[
        _Levels, KEPT, Meta(min_length=1, max_length=LEVELS, description="[price, size in base units], best first.")
    ]
    asks: Annotated[
        _Levels, KEPT, Meta(min_length=1, max_length=LEVELS, description="[price, size in base units], best first.")
    ]
    interval_ms: Annotated[int | None, number(Unit.MILLISECONDS, "The next slot was planned so much later.")] = None


def check(record: Book) -> None:
    """As of every record; and the levels are those of a book: best first, each price once, bids below asks."""
    check_plainly(record)
    if moment_of(record.fetched_at) < from_iso(record.timestamp):
        raise PoisonError("contract", f"fetched_at {record.fetched_at} is before the slot")
    bids, asks = [price for price, _ in record.bids], [price for price, _ in record.asks]
    for name, prices in (("bids", [-price for price in bids]), ("asks", asks)):
        if any(price >= after for price, after in pairwise(prices)):
            raise PoisonError("contract", f"{name} {cut(getattr(record, name))} are not best first, each price once")
    if (record.bid_price, record.ask_price) != (bids[0], asks[0]):
        raise PoisonError("contract", "bid_price and ask_price are not those of the first levels")
    if bids[0] >= asks[0]:
        raise PoisonError("contract", f"a bid of {bids[0]} and an ask of {asks[0]} are no book")


BOOK = Dataset(
    name="book",
    says="the best levels of an order book at a slot, with spread, depth and imbalance",
    record=Book,
    serial=lambda record: from_iso(record.timestamp),
    check=check,
    topic="crypto.books",
    alias="crypto-books",
    parts={"": Part(period=Period.DAY)},
    example=Book(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.004Z",
        last_updated="2026-11-20T09:59:59.941Z",
        update_id=50093239224,
        bid_price=61837.63,
        ask_price=61837.64,
        mid=61837.635,
        spread=0.01,
        spread_bps=0.0016171381716005148,
        imbalance=0.39103663215331136,
        bid_depth_10bps=1204332.91,
        ask_depth_10bps=998121.4,
        bids_known_to=61709.62,
        asks_known_to=61965.2,
        bids=[(61837.63, 3.78826), (61837.62, 0.617)],
        asks=[(61837.64, 1.6052), (61838.04, 0.32332)],
        interval_ms=1000,
    ),
)
