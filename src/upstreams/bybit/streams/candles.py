"""Bybit's closed bars by stream: ``kline.<interval>.<symbol>``, of which the one with ``confirm`` is the last of a bar.

| record | ``data`` |
|---|---|
| ``timestamp`` | ``start`` |
| ``open``, ``high``, ``low``, ``close`` | the same |
| ``base_volume``, ``quote_volume`` | linear, spot: ``volume``, ``turnover``; inverse: the other way round |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cryptoproxy.upstreams.answers.bars import Bar
from cryptoproxy.upstreams.answers.values import Number
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming.candle_stream import CandleStream, Closed


class _Kline(msgspec.Struct, gc=False):
    start: int
    confirm: bool
    timestamp: int
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number = None
    turnover: Number = None


class _Frame(msgspec.Struct, gc=False):
    data: list[_Kline]


_frame = msgspec.json.Decoder(_Frame, strict=False)


class BybitCandleStream(CandleStream):
    """``bybit-linear.candle-<interval>@stream`` and those of the other markets."""

    def __init__(self, venue: BybitVenue, candles: BybitCandles) -> None:
        self._inverse = venue.market is Category.INVERSE
        super().__init__(venue, candles)

    def _topic(self, symbol: str) -> str:
        return f"kline.{BybitCandles.intervals[self.feed.part]}.{symbol}"

    def _closed(self, body: bytes | msgspec.Raw) -> Sequence[Closed]:
        return [bar for bar, closed in bars_of(body, inverse=self._inverse) if closed]


def bars_of(body: bytes | msgspec.Raw, *, inverse: bool) -> Iterator[tuple[Closed, bool]]:
    """The bars of a frame, each with whether it is closed; raises what decoding raises.

    Args:
        inverse: contracts of 1 USD, settled in the coin.
    """
    for each in _frame.decode(body).data:
        in_base, in_quote = each.volume, each.turnover
        if inverse:
            in_base, in_quote = in_quote, in_base
        bar = Bar(each.start, each.open, each.high, each.low, each.close)
        yield Closed(bar, each.timestamp, in_base, in_quote), each.confirm
