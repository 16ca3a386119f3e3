"""``stats``: how one asset stands at one source: its last price, how that has changed, how much it moves, indicators.

``compacted``: the newest record of an asset replaces the one before it. It follows from the tickers alone, so it is
neither indexed nor in the lake. Watch makes it, one for each asset and minute.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly
from cryptoproxy.datasets.dataset import Dataset, Part, Period
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number
from cryptoproxy.datasets.times import from_iso

_CHANGE = number(Unit.PERCENT, "Percent; absent until there is a price of so long ago.")
_MOVES = number(
    Unit.PERCENT, "The root of the sum of the squares of the minutes' log returns; not annualised. Percent."
)
_MEAN = number(Unit.QUOTE, "Mean of the minutes' prices, as `query indicators` has it; absent until there are enough.")
_RSI = number(Unit.PERCENT, "Wilder's, of the minutes' prices, 0 to 100; absent until there are enough.")


class Stats(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The newest of one asset at one source."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTC at CoinGecko, BTCUSDT at an exchange. Repeats.")]
    quote: Quote
    timestamp: Annotated[Time, Meta(description="Of the ticker that it is up to.")]
    fetched_at: Annotated[Time, Meta(description="When that had arrived; of two records the later one counts.")]
    price: Annotated[float, number(Unit.QUOTE, "Last price, in quote.", gt=0)]
    change_1m: Annotated[float | None, _CHANGE] = None
    change_5m: Annotated[float | None, _CHANGE] = None
    change_1h: Annotated[float | None, _CHANGE] = None
    change_24h: Annotated[float | None, _CHANGE] = None
    volatility_1h: Annotated[float | None, _MOVES] = None
    volatility_24h: Annotated[float | None, _MOVES] = None
    sma_20: Annotated[float | None, _MEAN] = None
    ema_12: Annotated[float | None, _MEAN] = None
    ema_26: Annotated[float | None, _MEAN] = None
    rsi_14: Annotated[float | None, _RSI] = None


STATS = Dataset(
    name="stats",
    says="how one asset stands: last price, changes, volatility, indicators; the newest counts",
    record=Stats,
    serial=lambda record: from_iso(record.timestamp),
    check=check_plainly,
    topic="crypto.stats",
    alias=None,
    parts={"": Part(period=Period.EVER, file=Period.MONTH)},
    compacted=True,
    example=Stats(
        source="coingecko",
        asset_id="bitcoin",
        symbol="BTC",
        quote="USD",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.310Z",
        price=69123.12,
        change_1m=0.021,
        change_5m=-0.113,
        change_1h=0.42,
        change_24h=-1.2345,
        volatility_1h=0.38,
        volatility_24h=2.11,
        sma_20=69098.4,
        ema_12=69110.93,
        ema_26=69087.71,
        rsi_14=57.3,
    ),
)
