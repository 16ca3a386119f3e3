"""Frames of streams that are made of what we have say what their upstream's own would: reading undoes rendering."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import TRADE, Candle, Trade, iso
from cryptoproxy.upstreams.binance.streams import frames as binance
from cryptoproxy.upstreams.binance.streams.candles import bar_of
from cryptoproxy.upstreams.bybit.streams import frames as bybit
from cryptoproxy.upstreams.bybit.streams.candles import bars_of
from cryptoproxy.upstreams.bybit.streams.shown import ShownBook, frame_of
from cryptoproxy.upstreams.bybit.symbols import Category
from tests.unit.upstreams.test_rendering import candles
from tests.unit.upstreams.test_trades import NOW
from tests.unit.upstreams.test_trades import binance as reading_binance
from tests.unit.upstreams.test_trades import bybit as reading_bybit

sizes = st.floats(min_value=1e-8, max_value=1e9, allow_nan=False)


@st.composite
def trades(draw: st.DrawFn) -> Trade:
    """Any trade; of its time no more is asked than that it is one."""
    number, first = draw(st.integers(1, 2**40)), draw(st.integers(1, 2**40))
    return msgspec.structs.replace(
        TRADE.example,
        trade_id=f"{number}-{first}",
        trades=draw(st.integers(1, 1000)),
        price=draw(sizes),
        base_volume=draw(sizes),
        side=draw(st.sampled_from(["buy", "sell"])),
        timestamp=iso(NOW - draw(st.integers(0, 10**9))),
        fetched_at=iso(NOW),
        block=None,
    )


@given(trades())
def test_an_aggregate_trade_of_binance_is_read_back(trade: Trade) -> None:
    """As a frame, and as the row of ``aggTrades`` that is in it: both are read by the same columns."""
    stream = reading_binance()
    stream.take({"btcusdt@aggTrade": [binance.agg_trade(trade)]}, now_ms=NOW)
    [read] = stream.collect(now_ms=NOW).records
    assert msgspec.structs.replace(read, quote_volume=trade.quote_volume) == trade


@given(trades(), st.sampled_from(list(Category)))
def test_a_trade_of_bybit_is_read_back(trade: Trade, market: Category) -> None:
    symbol = "BTCUSD" if market is Category.INVERSE else "BTCUSDT"
    trade = msgspec.structs.replace(
        trade, source=f"bybit-{market}", asset_id=symbol, symbol=symbol, trades=None, sequence=7,
        quote="USD" if market is Category.INVERSE else "USDT",
        quote_volume=trade.base_volume * trade.price,
    )  # fmt: skip
    if market is Category.INVERSE:
        trade.base_volume = trade.quote_volume / trade.price
    stream = reading_bybit(market, symbol)
    stream.take({f"publicTrade.{symbol}": list(bybit.public_trades([trade], market))}, now_ms=NOW)
    [read] = stream.collect(now_ms=NOW).records
    if market is not Category.INVERSE:
        read.quote_volume = trade.quote_volume
    assert read == trade


@given(candles("binance", "BTCUSDT", ["1s", "1m", "1h", "1d"]))
def test_a_closed_bar_of_binance_is_read_back(candle: Candle) -> None:
    read, closed = bar_of(binance.kline(candle))
    assert closed
    assert (iso(read.bar.stamp_ms), read.bar.open, read.bar.high, read.bar.low, read.bar.close) == (
        candle.timestamp, candle.open, candle.high, candle.low, candle.close,
    )  # fmt: skip
    assert (read.base_volume, read.quote_volume, read.trades) == (
        candle.base_volume, candle.quote_volume, candle.trades,
    )  # fmt: skip


@given(candles("bybit-inverse", "BTCUSD", ["1m", "1h", "1d"]), st.sampled_from(list(Category)))
def test_a_closed_bar_of_bybit_is_read_back(candle: Candle, market: Category) -> None:
    [(read, closed)] = bars_of(bybit.kline(candle, market), inverse=market is Category.INVERSE)
    assert closed
    assert (iso(read.bar.stamp_ms), read.bar.open, read.bar.close) == (candle.timestamp, candle.open, candle.close)
    assert (read.base_volume, read.quote_volume) == (candle.base_volume, candle.quote_volume)


prices = st.sampled_from([f"{price}.50" for price in range(90, 110)])
changes = st.dictionaries(prices, st.sampled_from(["0", "1", "2.5"]), max_size=6)


@given(st.lists(st.tuples(changes, changes), max_size=12), st.sampled_from([1, 3, 5]))
def test_who_follows_fewer_levels_sees_the_best_of_the_book(
    told: list[tuple[dict[str, str], ...]], levels: int
) -> None:
    """A client that only applies what it is told has the same levels, in the same texts."""
    book, seen = ShownBook(), ShownBook()

    def frame(u: int, kind: str, bids: dict[str, str], asks: dict[str, str]) -> bytes:
        data = {"s": "X", "b": list(bids.items()), "a": list(asks.items()), "u": u, "seq": u}
        return json.dumps({"topic": "orderbook.50.X", "type": kind, "ts": 1, "data": data}).encode()

    assert book.take(frame_of(frame(1, "snapshot", {"95.50": "1"}, {"105.50": "1"})))
    assert seen.take(frame_of(book.snapshot("X", levels)))
    for number, (bids, asks) in enumerate(told, start=2):
        before = book.top(levels)
        assert book.take(frame_of(frame(number, "delta", bids, asks)))
        assert seen.take(frame_of(book.delta("X", levels, before)))
        assert seen.top(50) == book.top(levels)
