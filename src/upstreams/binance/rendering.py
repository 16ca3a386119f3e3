"""Binance's answers made of what we have: bars, prices, trades, books, refusals. The inverse of ``candles``, ``trades``
and ``books``, beside them on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptoproxy.datasets import Candle, Trade, from_iso
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.upstreams.answers.spelling import eight
from cryptoproxy.upstreams.streaming.ladder import Level

Body = Mapping[str, Any]

INVALID_SYMBOL: Body = {"code": -1121, "msg": "Invalid symbol."}
BOTH_GIVEN: Body = {"code": -1128, "msg": "Combination of optional parameters invalid."}
INVALID_INTERVAL: Body = {"code": -1120, "msg": "Invalid interval."}


def kline(candle: Candle, *, per_ms: int = 1) -> list[Any]:
    """A row of ``klines``. A column that the candle does not have is None, which Binance never writes.

    Args:
        per_ms: 1000 where times are asked for in microseconds.
    """
    begin_ms = from_iso(candle.timestamp)
    return [
        begin_ms * per_ms,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        _eight(candle.base_volume),
        end_of(candle.timestamp, candle.interval) * per_ms - 1,
        _eight(candle.quote_volume),
        candle.trades,
        _eight(candle.taker_base_volume),
        _eight(candle.taker_quote_volume),
        "0",
    ]


def price(symbol: str, value: float) -> Body:
    """A row of ``ticker/price``."""
    return {"symbol": symbol, "price": eight(value)}


def agg_trade(trade: Trade) -> Body:
    """A row of ``aggTrades``. ``M``, which Binance itself says to ignore, is always true."""
    number, first = map(int, trade.trade_id.split("-"))
    return {
        "a": number,
        "p": eight(trade.price),
        "q": eight(trade.base_volume),
        "f": first,
        "l": first + (trade.trades or 1) - 1,
        "T": moment_of(trade.timestamp),
        "m": trade.side == "sell",
        "M": True,
    }


def depth(update_id: int, bids: Sequence[Level], asks: Sequence[Level]) -> Body:
    """``depth``, and the frames of ``<symbol>@depth<levels>``."""
    sides = {
        name: [[eight(price), eight(size)] for price, size in side] for name, side in (("bids", bids), ("asks", asks))
    }
    return {"lastUpdateId": update_id, **sides}


def illegal(name: str, legal: str) -> Body:
    return {"code": -1100, "msg": f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."}


def missing(name: str) -> Body:
    return {"code": -1102, "msg": f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."}


def empty(name: str) -> Body:
    return {"code": -1105, "msg": f"Parameter '{name}' was empty."}


def too_many(read: int, sent: int) -> Body:
    """Of parameters that it does not know."""
    return {"code": -1101, "msg": f"Too many parameters; expected '{read}' and received '{sent}'."}


def bad_value(name: str) -> Body:
    return {"code": -1130, "msg": f"Data sent for parameter '{name}' is not valid."}


def error(status: int, words: str) -> Body:
    """Of our own refusals: with 404 not -1121, of which clients make a wrong symbol."""
    code = {400: -1100, 401: -2015, 404: -1020, 405: -1020, 429: -1003, 503: -1001}.get(status, -1000)
    return {"code": code, "msg": words}


def _eight(value: float | None) -> str | None:
    return None if value is None else eight(value)
