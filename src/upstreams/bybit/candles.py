"""Bybit ``/v5/market/kline``: one symbol of one market a call, at most 1,000 bars, newest first.

| record | row |
|---|---|
| ``timestamp`` | 0: open time |
| ``open``, ``high``, ``low``, ``close`` | 1 to 4 |
| ``base_volume``, ``quote_volume`` | linear, spot: 5 (volume), 6 (turnover); inverse: 6, 5 |

``start`` and ``end`` are compared with open times in milliseconds, both inclusive, but the bar that ``start`` lies in
is there as well. Which end is cut where more bars fit is not told, so no call asks for more than a page holds. Wrong
bounds give an empty list. No number of trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.bars import Bar, BarGathering, BarReader
from cryptoproxy.upstreams.answers.candles import Candles
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.answers.rows import value_of
from cryptoproxy.upstreams.answers.said import code_said, said
from cryptoproxy.upstreams.answers.values import Number
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.shapes import result_of
from cryptoproxy.upstreams.bybit.symbols import QUOTE_OF, Api, BybitSymbols, Category
from cryptoproxy.upstreams.bybit.tickers import BASE_URL, UPSTREAM
from cryptoproxy.upstreams.history import Start

PAGE = 1000
_WRONG_REQUEST, _WRONG_SYMBOL = 10001, 10029


class Kline(Bar, array_like=True, gc=False):
    volume: Number = None
    turnover: Number = None


_reader = BarReader(UPSTREAM, Kline)


def whole_list(base_url: str, market: Category) -> BybitSymbols:
    """Of one market; bars of every interval can share one."""
    return BybitSymbols(base_url.rstrip("/"), market, Api.V5, Quotes(QUOTE_OF[market]))


class BybitCandles(Candles):
    """``bybit-linear.candle-<interval>`` and those of the other markets."""

    intervals: ClassVar = {
        **{f"{minutes}m": str(minutes) for minutes in (1, 3, 5, 15, 30)},
        **{f"{hours}h": str(hours * 60) for hours in (1, 2, 4, 6, 12)},
        "1d": "D",
        "1w": "W",
        "1mo": "M",
    }

    def __init__(
        self,
        market: Category | str,
        interval: str,
        *,
        base_url: str = BASE_URL,
        symbols: Sequence[str] = (),
        symbol_list: BybitSymbols | None = None,
    ) -> None:
        self._market = Category(market)
        symbol_list = symbol_list or whole_list(base_url, self._market)
        super().__init__(
            source=f"{UPSTREAM}-{self._market}",
            upstream=UPSTREAM,
            interval=interval,
            symbols=[each.upper() for each in symbols],
            quotes=symbol_list.quotes,
            symbol_list=symbol_list,
        )
        self._url = f"{base_url.rstrip('/')}/v5/market/kline"

    def _newest(self, symbol: str) -> Call:
        return self._kline(symbol, self.interval, limit=str(self.newest))

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        last = min(span.end_ms, span.begin_ms + self.page_ms(now_ms)) - 1
        return self._kline(symbol, self.interval, start=str(span.begin_ms), end=str(last), limit=str(PAGE))

    def _kline(self, symbol: str, interval: str, **bounds: str) -> Call:
        asked = {"category": self._market.value, "symbol": symbol, "interval": self.intervals[interval]}
        return Call(self._url, asked | bounds)

    def _take(self, body: bytes, symbol: str, name: str, bars: BarGathering) -> list[int]:
        rows, rejected = _reader.read(self._list(body, symbol))
        bars.rejected += rejected
        if (quote := self.quote_of(symbol, bars)) is None:
            return []
        for row in reversed(rows):
            candle = bars.candle(symbol, name, quote, row, row.stamp_ms)
            if candle is not None:
                in_base, in_quote = row.volume, row.turnover
                if self._market is Category.INVERSE:  # contracts of 1 USD, settled in the coin
                    in_base, in_quote = in_quote, in_base
                candle.base_volume, candle.quote_volume = in_base, in_quote
                bars.records.append(candle)
        return [row.stamp_ms for row in rows]

    def _list(self, body: bytes, symbol: str) -> bytes:
        """The rows.

        Raises:
            TransientError: no such envelope, or of another market or symbol.
        """
        result = result_of(body)
        for name, asked in (("category", self._market.value), ("symbol", symbol)):
            if (told := value_of(result.get(name))) not in (None, asked):
                raise TransientError(f"bybit answered with bars of the {name} {told!r}, not {asked}")
        return result["list"]

    def _is_unknown(self, body: bytes) -> bool:
        code = code_said(body, "retCode")
        return code == _WRONG_SYMBOL or (code == _WRONG_REQUEST and "symbol" in said(body, "retMsg").lower())

    def _refused(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def page_ms(self, now_ms: int) -> int:
        """Of months, which are longer than the shortest, a page holds more."""
        return PAGE * self.step_ms

    def _covered(self, span: Span, begins: Sequence[int]) -> int:
        return min(span.end_ms, span.begin_ms + self.page_ms(0))

    def start_call(self, symbol: str) -> Call:
        """All months in which it was traded: a page holds eighty years of them."""
        return self._kline(symbol, "1mo", limit=str(PAGE))

    def start(self, symbol: str, answer: Response) -> Start:
        if self._is_unknown(answer.body):
            return Start(None)
        rows, rejected = _reader.read(self._list(answer.body, symbol))
        begin_ms = None if not rows and not rejected else min((row.stamp_ms for row in rows), default=0)
        return Start(begin_ms, within_ms=31 * DAY_MS)
