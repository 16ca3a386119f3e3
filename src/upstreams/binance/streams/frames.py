"""Binance's frames of streams made of what we have, the inverse of ``trades``, ``candles`` and ``books``.

``E``, when Binance had something to say, is the moment at which it had come here: the only one that we know. A column
that a record does not have (``f`` and ``L`` of a bar) is null, which Binance never writes.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cryptoproxy.datasets import Candle, Ticker, Trade, from_iso
from cryptoproxy.datasets.contracts.book import Book
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.upstreams.answers.spelling import eight
from cryptoproxy.upstreams.binance import rendering
from cryptoproxy.upstreams.binance.candles import BinanceCandles

_encode = msgspec.json.Encoder().encode
_TICKER: Mapping[str, str] = {
    "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice", "c": "lastPrice",
    "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "o": "openPrice",
    "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume", "O": "openTime", "C": "closeTime",
    "F": "firstId", "L": "lastId", "n": "count",
}  # fmt: skip
"""Of a frame, by the columns of ``ticker/24hr``."""
_row = msgspec.json.Decoder(dict[str, msgspec.Raw])


def agg_trade(trade: Trade) -> bytes:
    """``<symbol>@aggTrade``."""
    told = {"e": "aggTrade", "E": moment_of(trade.fetched_at), "s": trade.asset_id}
    return _encode({**told, **rendering.agg_trade(trade)})


def kline(candle: Candle) -> bytes:
    """``<symbol>@kline_<interval>``, of a closed bar."""
    bar = {
        "t": from_iso(candle.timestamp),
        "T": end_of(candle.timestamp, candle.interval) - 1,
        "s": candle.asset_id,
        "i": BinanceCandles.intervals[candle.interval],
        "f": None,
        "L": None,
        "o": eight(candle.open),
        "c": eight(candle.close),
        "h": eight(candle.high),
        "l": eight(candle.low),
        "v": _eight(candle.base_volume),
        "n": candle.trades,
        "x": True,
        "q": _eight(candle.quote_volume),
        "V": _eight(candle.taker_base_volume),
        "Q": _eight(candle.taker_quote_volume),
        "B": "0",
    }
    return _encode({"e": "kline", "E": moment_of(candle.fetched_at), "s": candle.asset_id, "k": bar})


def mini_ticker(ticker: Ticker) -> bytes | None:
    """``<symbol>@miniTicker``; None where the record lacks a column of it."""
    columns = {
        "c": ticker.price, "o": ticker.open_24h, "h": ticker.high_24h, "l": ticker.low_24h,
        "v": ticker.base_volume_24h, "q": ticker.volume_24h,
    }  # fmt: skip
    texts = {name: eight(value) for name, value in columns.items() if value is not None}
    if len(texts) < len(columns):
        return None
    return _encode({"e": "24hrMiniTicker", "E": moment_of(ticker.fetched_at), "s": ticker.asset_id, **texts})


def ticker(symbol: str, row: bytes, at_ms: int) -> bytes:
    """``<symbol>@ticker``, of a row of ``ticker/24hr``; a column that it does not have is left out."""
    columns = _row.decode(row)
    told = {short: columns[name] for short, name in _TICKER.items() if name in columns}
    return _encode({"e": "24hrTicker", "E": at_ms, "s": symbol, **told})


def book_ticker(book: Book) -> bytes:
    """``<symbol>@bookTicker``, as it was at the slot."""
    (bid, bid_size), (ask, ask_size) = book.bids[0], book.asks[0]
    best = {"b": eight(bid), "B": eight(bid_size), "a": eight(ask), "A": eight(ask_size)}
    return _encode({"u": book.update_id, "s": book.asset_id, **best})


def partial_depth(book: Book, levels: int) -> bytes:
    """``<symbol>@depth<levels>``."""
    return _encode(rendering.depth(book.update_id or 0, book.bids[:levels], book.asks[:levels]))


def _eight(value: float | None) -> str | None:
    return None if value is None else eight(value)
