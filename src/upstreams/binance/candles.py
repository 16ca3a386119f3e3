"""Binance spot ``/api/v3/klines``: one symbol a call, at most 1,000 bars, oldest first.

| record | row |
|---|---|
| ``timestamp`` | 0: open time |
| ``open``, ``high``, ``low``, ``close`` | 1 to 4 |
| ``base_volume``, ``quote_volume`` | 5, 7 |
| ``trades`` | 8; 0 in a bar without any, whose prices are the last close before |
| ``taker_base_volume``, ``taker_quote_volume`` | 9, 10 |

``startTime`` and ``endTime`` are compared with the open time, both inclusive, in milliseconds: seconds give an empty
list. With a ``startTime`` the oldest bars from there on come, however far away the first one is. After an outage there
may be none for hours, and open times off the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryptoproxy.datasets.times import Span
from cryptoproxy.upstreams.answers.bars import Bar, BarGathering, BarReader
from cryptoproxy.upstreams.answers.candles import Candles
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.answers.values import Number, Whole
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.symbols import BinanceSymbols, NamedPairs, is_wrong_name, quote_of
from cryptoproxy.upstreams.binance.tickers import BASE_URL, NAME, used_weight
from cryptoproxy.upstreams.history import Start

WEIGHT = 2
PAGE = 1000


class Kline(Bar, array_like=True, gc=False):
    base_volume: Number = None
    close_ms: Whole = None
    quote_volume: Number = None
    trades: Whole = None
    taker_base_volume: Number = None
    taker_quote_volume: Number = None


_reader = BarReader(NAME, Kline)


def whole_list(base_url: str) -> BinanceSymbols:
    """Of all pairs; bars of every interval can share one."""
    return BinanceSymbols(base_url.rstrip("/"), NamedPairs(()), Quotes(quote_of))


class BinanceCandles(Candles):
    """``binance.candle-<interval>``."""

    intervals: ClassVar = {
        **{each: each for each in ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h")},
        **{each: each for each in ("1d", "3d", "1w")},
        "1mo": "1M",
    }

    def __init__(
        self,
        interval: str,
        *,
        base_url: str = BASE_URL,
        symbols: Sequence[str] = (),
        symbol_list: BinanceSymbols | None = None,
    ) -> None:
        symbol_list = symbol_list or whole_list(base_url)
        super().__init__(
            source=NAME,
            upstream=NAME,
            interval=interval,
            symbols=[each.upper() for each in symbols],
            quotes=symbol_list.quotes,
            symbol_list=symbol_list,
        )
        self._url = f"{base_url.rstrip('/')}/api/v3/klines"

    def _newest(self, symbol: str) -> Call:
        return self._klines(symbol, limit=str(self.newest))

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        return self._klines(symbol, startTime=str(span.begin_ms), endTime=str(span.end_ms - 1), limit=str(PAGE))

    def _klines(self, symbol: str, **bounds: str) -> Call:
        return Call(self._url, {"symbol": symbol, "interval": self.intervals[self.interval], **bounds}, cost=WEIGHT)

    def _take(self, body: bytes, symbol: str, name: str, bars: BarGathering) -> list[int]:
        rows, rejected = _reader.read(body)
        bars.rejected += rejected
        if (quote := self.quote_of(symbol, bars)) is None:
            return []
        for row in rows:
            candle = bars.candle(symbol, name, quote, row, row.stamp_ms)
            if candle is not None:
                candle.base_volume = row.base_volume
                candle.quote_volume = row.quote_volume
                candle.trades = row.trades
                candle.taker_base_volume = row.taker_base_volume
                candle.taker_quote_volume = row.taker_quote_volume
                bars.records.append(candle)
        return [row.stamp_ms for row in rows]

    def _is_unknown(self, body: bytes) -> bool:
        return is_wrong_name(body)

    def _refused(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def page_ms(self, now_ms: int) -> int:
        return PAGE * self.step_ms

    def start_call(self, symbol: str) -> Call:
        """The earliest bar there is."""
        return self._klines(symbol, startTime="0", limit="1")

    def start(self, symbol: str, answer: Response) -> Start:
        rows, rejected = ([], []) if self._is_unknown(answer.body) else _reader.read(answer.body)
        return Start(rows[0].stamp_ms if rows else 0 if rejected else None)
