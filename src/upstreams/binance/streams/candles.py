"""Binance's closed bars by stream: ``<symbol>@kline_<interval>``, of which the frame with ``x`` is the last of a bar.

| record | ``k`` |
|---|---|
| ``timestamp`` | ``t`` |
| ``open``, ``high``, ``low``, ``close`` | ``o``, ``h``, ``l``, ``c`` |
| ``base_volume``, ``quote_volume`` | ``v``, ``q`` |
| ``trades`` | ``n``; 0 in a bar without any, which is pushed as well |
| ``taker_base_volume``, ``taker_quote_volume`` | ``V``, ``Q`` |

``f`` and ``L`` are the ids of its first and last trade, -1 without any: ``L`` + 1 is the next bar's ``f``.

The closing frame comes up to 2 s after the end. Its event time ``E`` lies in the next bar.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cryptoproxy.upstreams.answers.bars import Bar
from cryptoproxy.upstreams.answers.values import Number, Whole
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.streaming.candle_stream import CandleStream, Closed


class _Kline(msgspec.Struct, gc=False):
    t: int
    o: Number
    c: Number
    h: Number
    l: Number  # noqa: E741 - theirs
    x: bool
    v: Number = None
    n: Whole = None
    q: Number = None
    V: Number = None
    Q: Number = None
    f: int | None = None
    L: int | None = None


class _Data(msgspec.Struct, gc=False):
    E: int
    k: _Kline


_data = msgspec.json.Decoder(_Data, strict=False)


class BinanceCandleStream(CandleStream):
    """``binance.candle-<interval>@stream``."""

    def _topic(self, symbol: str) -> str:
        return f"{symbol.lower()}@kline_{BinanceCandles.intervals[self.feed.part]}"

    def _closed(self, body: bytes | msgspec.Raw) -> Sequence[Closed]:
        bar, closed = bar_of(body)
        return (bar,) if closed else ()


def bar_of(body: bytes | msgspec.Raw) -> tuple[Closed, bool]:
    """The bar of a frame, and whether it is closed; raises what decoding raises."""
    data = _data.decode(body)
    k = data.k
    ids = (None, None) if k.f is None or k.L is None or min(k.f, k.L) < 0 else (k.f, k.L)
    return Closed(Bar(k.t, k.o, k.h, k.l, k.c), data.E, k.v, k.q, k.n, k.V, k.Q, *ids), k.x
