"""``trade``: one trade as the exchange publishes it.

Sources: Binance aggregate trades (what one taker order took at one price), Bybit v5 public trades. ``trade_id`` is
Binance's ``a-f`` (aggregate id and first trade's id, since ``a`` alone repeats), Bybit's own id. Aggregate ids of one
pair go up by one; Bybit's tell nothing of what lies between them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import EARLIEST_MS, check_identity, cut
from cryptoproxy.datasets.dataset import Dataset, Part, Period
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number, text
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.errors import PoisonError

TRADE_ID_PATTERN = r"^[0-9A-Za-z-]{1,64}$"
_trade_id = re.compile(TRADE_ID_PATTERN.replace("$", r"\Z"))


class Trade(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One trade of one asset at one source. The price in ``quote``; volumes are named by their unit."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTCUSDT; the exchange's own.")]
    quote: Quote
    trade_id: Annotated[
        str, text(TRADE_ID_PATTERN, "Binance: aggregate id and first trade's id, `a-f`. Bybit: its id.")
    ]
    price: Annotated[float, number(Unit.QUOTE, searched=True, gt=0)]
    base_volume: Annotated[float, number(Unit.BASE, searched=True)]
    quote_volume: Annotated[float, number(Unit.QUOTE, "Price times base volume, exactly.", searched=True)]
    side: Annotated[Literal["buy", "sell"], Meta(description="Of the taker.")]
    timestamp: Annotated[Time, Meta(description="When it was traded, by the exchange's clock.")]
    fetched_at: Annotated[Time, Meta(description="When it had arrived, by the exchange's clock as far as we know it.")]
    trades: Annotated[
        int | None, number(Unit.COUNT, "How many trades an aggregate one holds; their ids follow `f`.")
    ] = None
    sequence: Annotated[int | None, number(Unit.COUNT, "Bybit's cross sequence; several trades may share one.")] = None
    block: Annotated[bool | None, Meta(description="A block trade, agreed on beside the order book.")] = None


_LONG = 2**63


def check(record: Trade) -> None:
    """Unrolled, since it is asked of every record on its way."""
    check_identity(record.source, record.asset_id, record.quote)
    if moment_of(record.timestamp) < EARLIEST_MS:
        raise PoisonError("contract", f"timestamp {record.timestamp!r} is before 2009")
    moment_of(record.fetched_at)
    if not _trade_id.match(record.trade_id):
        raise PoisonError("contract", f"trade_id {cut(record.trade_id)} is not 1 to 64 of 0-9, A-Z, a-z and '-'")
    if record.base_volume < 0 or record.quote_volume < 0:
        raise PoisonError("contract", f"a volume is below 0: {record.base_volume}, {record.quote_volume}")
    if not (0 <= (record.trades or 0) < _LONG and -_LONG <= (record.sequence or 0) < _LONG):
        raise PoisonError("contract", f"trades {cut(record.trades)} or sequence {cut(record.sequence)} is out of range")


TRADE = Dataset(
    name="trade",
    says="one trade; at Binance one aggregate trade",
    record=Trade,
    serial=lambda record: record.trade_id,
    check=check,
    topic="crypto.trades.raw",
    alias="crypto-trades",
    parts={"": Part(period=Period.DAY, file=Period.DAY)},
    example=Trade(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        trade_id="966492862-1111480471",
        price=60759.6,
        base_volume=0.00841,
        quote_volume=510.988236,
        side="buy",
        timestamp="2021-10-22T23:08:16.633Z",
        fetched_at="2021-10-22T23:08:16.701Z",
        trades=1,
    ),
)
