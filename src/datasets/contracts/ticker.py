"""``ticker``: one asset at one source at one poll.

Optional fields may be added; nothing here may be renamed, removed or narrowed.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_identity, check_moment, cut
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number
from cryptoproxy.datasets.times import from_iso, moment_of
from cryptoproxy.errors import PoisonError

SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 100, 86_400_000
"""As the settings allow it."""
_PCNT = number(Unit.FRACTION, "A fraction: 0.01 is one percent.", searched=True)


class Ticker(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One asset at one source at one poll. Absent fields are left out of the JSON.

    Prices are in ``quote``; ``change_*`` in percent; ``*_pcnt`` are fractions; ``volume_24h`` and
    ``turnover_24h`` in quote; ``base_volume_24h`` in base units.
    """

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTC at CoinGecko, BTCUSDT at an exchange. Repeats.")]
    name: Annotated[str, Meta(description="Bitcoin; the symbol where the upstream has no name.")]
    quote: Quote
    price: Annotated[float, number(Unit.QUOTE, "Last price, in quote.", searched=True, gt=0)]
    timestamp: Annotated[Time, Meta(description="The slot: the planned time of the poll, a multiple of the interval.")]
    fetched_at: Annotated[Time, Meta(description="When the response had arrived.")]
    fetch_delay_ms: Annotated[int, number(Unit.MILLISECONDS, "fetched_at - timestamp, in milliseconds.")]
    last_updated: Annotated[Time | None, Meta(description="The upstream's own time of the price.")] = None

    market_cap: Annotated[float | None, number(Unit.QUOTE)] = None
    market_cap_rank: Annotated[int | None, number(Unit.COUNT, "1 is the largest; 32 bits.", bits=32)] = None
    volume_24h: Annotated[float | None, number(Unit.QUOTE, "In quote.")] = None
    high_24h: Annotated[float | None, number(Unit.QUOTE)] = None
    low_24h: Annotated[float | None, number(Unit.QUOTE)] = None
    change_1h: Annotated[float | None, number(Unit.PERCENT, "Percent.", searched=True)] = None
    change_24h: Annotated[float | None, number(Unit.PERCENT, "Percent.", searched=True)] = None
    change_7d: Annotated[float | None, number(Unit.PERCENT, "Percent.", searched=True)] = None

    open_24h: Annotated[float | None, number(Unit.QUOTE)] = None
    base_volume_24h: Annotated[float | None, number(Unit.BASE, "In base units.")] = None
    trades_24h: Annotated[int | None, number(Unit.COUNT)] = None
    price_change_24h: Annotated[float | None, number(Unit.QUOTE, "In quote.")] = None
    bid_price: Annotated[float | None, number(Unit.QUOTE)] = None
    ask_price: Annotated[float | None, number(Unit.QUOTE)] = None

    index_price: Annotated[float | None, number(Unit.QUOTE)] = None
    mark_price: Annotated[float | None, number(Unit.QUOTE)] = None
    open_interest: Annotated[float | None, number(Unit.BASE)] = None
    prev_price_1h: Annotated[float | None, number(Unit.QUOTE)] = None
    prev_price_24h: Annotated[float | None, number(Unit.QUOTE)] = None
    price_1h_pcnt: Annotated[float | None, _PCNT] = None
    price_24h_pcnt: Annotated[float | None, _PCNT] = None
    turnover_24h: Annotated[float | None, number(Unit.QUOTE, "As the upstream sends it.")] = None
    total_volume: Annotated[float | None, number(Unit.BASE)] = None
    funding_rate: Annotated[float | None, number(Unit.FRACTION)] = None
    next_funding_time: Annotated[str | None, Meta(description="As the upstream sends it: ms or ISO text.")] = None
    delivery_time: Annotated[str | None, Meta(description="As the upstream sends it: ms or ISO text.")] = None

    interval_ms: Annotated[
        Annotated[int, Meta(ge=SHORTEST_INTERVAL_MS, le=LONGEST_INTERVAL_MS)] | None,
        number(
            Unit.MILLISECONDS,
            "The source's interval at that poll: the next slot was planned so much later. "
            "Absent where none was planned (`produce --once`).",
        ),
    ] = None


_INTEGER, _LONG = 2**31, 2**63


def check(record: Ticker) -> None:
    """Unrolled, since it is asked of every record on its way."""
    check_identity(record.source, record.asset_id, record.quote)
    check_moment(record.timestamp)
    from_iso(record.fetched_at)
    if record.last_updated is not None:
        moment_of(record.last_updated)
    if not (
        -_LONG <= record.fetch_delay_ms < _LONG
        and -_INTEGER <= (record.market_cap_rank or 0) < _INTEGER
        and -_LONG <= (record.trades_24h or 0) < _LONG
    ):
        raise ValueError("a count is out of range")
    # Means are weighed by it, and slots counted: one record must not count as a thousand, nor as less than none.
    if record.interval_ms is not None and not SHORTEST_INTERVAL_MS <= record.interval_ms <= LONGEST_INTERVAL_MS:
        raise PoisonError("contract", f"interval_ms {cut(record.interval_ms)} is not 0.1 s to a day")


TICKER = Dataset(
    name="ticker",
    says="one asset at one source at one poll",
    record=Ticker,
    serial=lambda record: from_iso(record.timestamp),
    check=check,
    topic="crypto-data",
    alias="crypto-prices",
    old_names={"last_price": "price", "high_price_24h": "high_24h", "low_price_24h": "low_24h"},
    example=Ticker(
        source="coingecko",
        asset_id="bitcoin",
        symbol="BTC",
        name="Bitcoin",
        quote="USD",
        price=69123.12,
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.310Z",
        fetch_delay_ms=310,
        last_updated="2026-11-20T09:59:40.100Z",
        market_cap=1360000000000.0,
        market_cap_rank=1,
        change_24h=-1.2345,
        interval_ms=60_000,
    ),
)
