"""``candle``: one **closed** bar. ``timestamp`` is its open time; its end is the next one's.

Sources: Binance klines, Bybit v5 klines, CoinGecko OHLC (without volume). What an upstream stamps by the end of a bar
is moved to its begin before it gets here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_identity, check_moment, cut
from cryptoproxy.datasets.dataset import Dataset, Part, Period
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, from_iso, moment_of
from cryptoproxy.errors import PoisonError

Interval = Literal[
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1mo", "4d"
]  # fmt: skip
"""Our names: upstreams' ``1m`` and ``1M`` differ by case alone. ``4d`` is CoinGecko's."""

STEPS: dict[str, int] = {
    "1s": 1_000,
    **{f"{count}m": count * MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * HOUR_MS for count in (1, 2, 4, 6, 8, 12)},
    **{f"{count}d": count * DAY_MS for count in (1, 3, 4)},
    "1w": 7 * DAY_MS,
}
"""Milliseconds of each interval that has always the same; ``1mo`` has not."""


@lru_cache(maxsize=4096)
def end_of(timestamp: str, interval: str) -> int:
    """When the bar that opens at ``timestamp`` has ended, which is the begin of the next, in ms."""
    if interval != "1mo":
        return from_iso(timestamp) + STEPS[interval]
    year, month = int(timestamp[:4]), int(timestamp[5:7])
    begin = f"{year + 1}-01" if month == 12 else f"{year}-{month + 1:02d}"
    return from_iso(f"{begin}-01T00:00:00.000Z")


class Candle(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One closed bar of one asset at one source. Prices in ``quote``; volumes are named by their unit."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTC at CoinGecko, BTCUSDT at an exchange. Repeats.")]
    quote: Quote
    interval: Annotated[Interval, Meta(description="The bar's length; `1mo` is a calendar month.")]
    timestamp: Annotated[Time, Meta(description="Open time: the bar's begin.")]
    fetched_at: Annotated[Time, Meta(description="When the response had arrived, at least 3 s after the bar's end.")]
    open: Annotated[float, number(Unit.QUOTE, gt=0)]
    high: Annotated[float, number(Unit.QUOTE, gt=0)]
    low: Annotated[float, number(Unit.QUOTE, gt=0)]
    close: Annotated[float, number(Unit.QUOTE, searched=True, gt=0)]
    base_volume: Annotated[float | None, number(Unit.BASE)] = None
    quote_volume: Annotated[float | None, number(Unit.QUOTE)] = None
    trades: Annotated[int | None, number(Unit.COUNT)] = None
    taker_base_volume: Annotated[float | None, number(Unit.BASE, "Of takers who bought.")] = None
    taker_quote_volume: Annotated[float | None, number(Unit.QUOTE, "Of takers who bought.")] = None
    origin: Annotated[
        Literal["derived"] | None,
        Meta(description="`derived`: made of tickers, where the upstream has no such bars; else absent."),
    ] = None


_LONG = 2**63


def check(record: Candle) -> None:
    """Unrolled, since it is asked of every record on its way."""
    check_identity(record.source, record.asset_id, record.quote)
    check_moment(record.timestamp)
    if moment_of(record.fetched_at) < end_of(record.timestamp, record.interval):
        raise PoisonError("contract", f"fetched_at {record.fetched_at} is before the end of this bar")
    if not record.low <= min(record.open, record.close) <= max(record.open, record.close) <= record.high:
        raise PoisonError(
            "contract",
            f"low {record.low}, open {record.open}, close {record.close}, high {record.high} are no bar",
        )
    if not 0 <= (record.trades or 0) < _LONG:
        raise PoisonError("contract", f"trades {cut(record.trades)} is not 0 to 2^63")


def _part(name: str) -> Part:
    if name == "1s":
        return Part(name=name, shelf="seconds", period=Period.DAY, file=Period.DAY)
    if name.endswith("m"):
        return Part(name=name, shelf="minutes", period=Period.MONTH, file=Period.DAY if name == "1m" else Period.MONTH)
    return Part(name=name, shelf="hours", period=Period.YEAR, file=Period.YEAR)


CANDLE = Dataset(
    name="candle",
    says="one closed bar",
    record=Candle,
    serial=lambda record: f"{record.interval}-{from_iso(record.timestamp)}",
    check=check,
    topic="crypto.ohlcv",
    alias="crypto-candles",
    corrected=True,
    parts={name: _part(name) for name in (*STEPS, "1mo")},
    part=lambda record: record.interval,
    example=Candle(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        interval="1m",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:01:03.120Z",
        open=69123.12,
        high=69150.0,
        low=69120.01,
        close=69141.5,
        base_volume=12.34567,
        quote_volume=853512.75,
        trades=1834,
        taker_base_volume=6.1,
        taker_quote_volume=421754.1,
    ),
)
