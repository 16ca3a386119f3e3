"""Bybit's frames of streams made of what we have, the inverse of ``trades`` and ``candles``.

``ts`` and a bar's ``timestamp``, when Bybit had something to say, are the moment at which it had come here. What a
record does not have (``L``, ``RPI`` of a trade; ``cs``) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cryptoproxy.datasets import Candle, Trade, from_iso
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.upstreams.answers.spelling import plain
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.symbols import Category

MOST_TRADES = 1024
"""Of a frame."""
_encode = msgspec.json.Encoder().encode


def public_trades(trades: Sequence[Trade], market: Category) -> Iterator[bytes]:
    """``publicTrade.<symbol>`` of trades of one symbol."""
    for at in range(0, len(trades), MOST_TRADES):
        part = trades[at : at + MOST_TRADES]
        rows = [_trade(each, market) for each in part]
        yield _told(f"publicTrade.{part[0].asset_id}", rows, moment_of(part[-1].fetched_at))


def _trade(trade: Trade, market: Category) -> dict[str, Any]:
    row = {
        "T": moment_of(trade.timestamp),
        "s": trade.asset_id,
        "S": trade.side.capitalize(),
        "v": plain(trade.quote_volume if market is Category.INVERSE else trade.base_volume),
        "p": plain(trade.price),
        "i": trade.trade_id,
        "BT": bool(trade.block),
    }
    return row if trade.sequence is None else row | {"seq": trade.sequence}


def kline(candle: Candle, market: Category) -> bytes:
    """``kline.<interval>.<symbol>``, of a closed bar."""
    volumes = [candle.base_volume, candle.quote_volume]
    if market is Category.INVERSE:
        volumes.reverse()
    volume, turnover = ("" if each is None else plain(each) for each in volumes)
    interval, at_ms = BybitCandles.intervals[candle.interval], moment_of(candle.fetched_at)
    bar = {
        "start": from_iso(candle.timestamp),
        "end": end_of(candle.timestamp, candle.interval) - 1,
        "interval": interval,
        "open": plain(candle.open),
        "close": plain(candle.close),
        "high": plain(candle.high),
        "low": plain(candle.low),
        "volume": volume,
        "turnover": turnover,
        "confirm": True,
        "timestamp": at_ms,
    }
    return _told(f"kline.{interval}.{candle.asset_id}", [bar], at_ms)


def tickers(symbol: str, row: bytes, at_ms: int) -> bytes:
    """``tickers.<symbol>``: the row of ``market/tickers`` as it came, which is all of it each time."""
    return _told(f"tickers.{symbol}", msgspec.Raw(row), at_ms)


def _told(topic: str, data: Any, at_ms: int) -> bytes:
    return _encode({"topic": topic, "type": "snapshot", "data": data, "ts": at_ms})
