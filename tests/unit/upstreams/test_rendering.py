"""What is written in an upstream's words is what its own answer says: reading undoes rendering."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import Candle, from_iso, iso
from cryptoproxy.datasets.contracts.candle import STEPS, end_of
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.upstreams.answers.spelling import eight, plain
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance import rendering as binance
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.streams.books import BinanceBook, change_of
from cryptoproxy.upstreams.bybit import rendering as bybit
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.coingecko import rendering as coingecko
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins
from cryptoproxy.upstreams.history import Start
from tests.unit.upstreams.test_trades import NOW
from tests.unit.upstreams.test_trades import binance as reading_binance

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded"
LATE_MS = 1_900_000_000_000
amounts = st.floats(min_value=0, max_value=1e30, allow_nan=False)
prices = st.floats(min_value=1e-12, max_value=1e12, allow_nan=False)


@st.composite
def candles(draw: st.DrawFn, source: str, symbol: str, intervals: list[str]) -> Candle:
    """Any closed bar of one series."""
    interval = draw(st.sampled_from(intervals))
    step = STEPS[interval]
    begin = iso(draw(st.integers(1_500_000_000_000 // step, 1_800_000_000_000 // step)) * step)
    several = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    low, one, other, high = several
    return Candle(
        source=source,
        asset_id=symbol,
        symbol=symbol,
        quote="USDT" if symbol.endswith("T") else "USD",
        interval=interval,  # type: ignore[arg-type]
        timestamp=begin,
        fetched_at=iso(LATE_MS),
        open=one,
        high=high,
        low=low,
        close=other,
        base_volume=draw(amounts),
        quote_volume=draw(amounts),
    )


@given(candles("binance", "BTCUSDT", ["1s", "1m", "1h", "1d", "3d"]), st.integers(0, 2**53), amounts, amounts)
def test_a_kline_of_binance_is_read_back(candle: Candle, trades: int, base: float, quote: float):
    candle = msgspec.structs.replace(candle, trades=trades, taker_base_volume=base, taker_quote_volume=quote)
    body = json.dumps([binance.kline(candle)]).encode()
    assert read_back(BinanceCandles(candle.interval), candle, body) == candle


@given(st.sampled_from(list(Category)), st.data())
def test_a_bar_of_bybit_is_read_back(market: Category, data: st.DataObject):
    symbol = "BTCUSD" if market is Category.INVERSE else "BTCUSDT"
    candle = data.draw(candles(f"bybit-{market}", symbol, ["1m", "1h", "4h", "1d"]))
    result = {"category": market, "symbol": symbol, "list": [bybit.kline(candle, market)]}
    body = json.dumps(bybit.enveloped(result, now_ms=LATE_MS)).encode()
    assert read_back(BybitCandles(market, candle.interval), candle, body) == candle


def read_back(of: BinanceCandles | BybitCandles, candle: Candle, body: bytes) -> Candle:
    begin = Span(0, LATE_MS)
    page = of.page(candle.asset_id, Start(0), begin, Response(200, {}, body), now_ms=LATE_MS)
    assert page.rejected == []
    (found,) = page.records
    return found


def levels(least: int, most: int) -> st.SearchStrategy[list[tuple[float, float]]]:
    """Of one side of a book, rising: prices within, of eight decimals, and sizes."""
    pairs = st.tuples(st.integers(least, most), st.integers(1, 10**12))
    found = st.lists(pairs, min_size=1, max_size=20, unique_by=lambda pair: pair[0]).map(sorted)
    return found.map(lambda each: [(price / 10**8, size / 10**8) for price, size in each])


@pytest.mark.parametrize(
    ("name", "symbol", "interval"),
    [
        ("binance/klines_BTCUSDT_1h_2020-06-25", "BTCUSDT", "1h"),
        ("binance/klines_BTCUSDT_1h_outage_2020-06-28", "BTCUSDT", "1h"),
        ("binance/klines_BTCUSDT_1m_2021-10-22", "BTCUSDT", "1m"),
        ("binance/klines_ETHBTC_1d_2019", "ETHBTC", "1d"),
    ],
)
def test_recorded_klines_come_out_of_their_own_records(name: str, symbol: str, interval: str):
    """Field by field. Exception: the last column, which Binance says to ignore, was something in old answers."""
    body = (RECORDED / f"{name}.json").read_bytes()
    page = BinanceCandles(interval).page(
        symbol, Start(0), Span(0, LATE_MS), Response(200, {}, body), now_ms=LATE_MS
    )  # fmt: skip
    rows = [binance.kline(each) for each in page.records]
    assert [row[:11] for row in rows] == [row[:11] for row in json.loads(body)]


def test_recorded_trades_come_out_of_their_own_records():
    body = (RECORDED / "binance/history/aggTrades_2021-10-22.json").read_bytes()
    stream = reading_binance()
    stream.take({"btcusdt@aggTrade": list(map(msgspec.json.encode, json.loads(body)))}, now_ms=NOW)
    assert [binance.agg_trade(each) for each in stream.collect(now_ms=NOW).records] == json.loads(body)


@given(levels(1, 10**12), levels(10**12 + 1, 10**14))
def test_a_book_of_binance_is_read_back(bids: list[tuple[float, float]], asks: list[tuple[float, float]]):
    bids.reverse()
    book = BinanceBook()
    book.take(change_of(msgspec.json.encode({"s": "X", "U": 7, "u": 7, "b": [], "a": [], "E": 5})))
    book.load(msgspec.json.encode(binance.depth(7, bids, asks)), 100)
    assert book.ladder is not None
    read = [list(side.first(20)) for side in (book.ladder.bids, book.ladder.asks)]
    assert (book.update_id, read) == (7, [bids, asks])


def test_a_recorded_book_comes_out_of_what_was_read():
    body = (RECORDED / "binance/history/depth_2021-10-22.json").read_bytes()
    told = json.loads(body)
    sides = ([(float(price), float(size)) for price, size in told[name]] for name in ("bids", "asks"))
    assert binance.depth(told["lastUpdateId"], *sides) == told


def test_the_midnights_of_a_recorded_chart_come_out_of_their_own_records():
    """All but the last point, which is of now and no record."""
    body = (RECORDED / "coingecko/market_chart_bitcoin_daily_2021-05-15.json").read_bytes()
    charts = CoinGeckoCharts(coins=Coins(Access()))
    page = charts.page("bitcoin", Start(0), Span(0, LATE_MS), Response(200, {}, body), now_ms=LATE_MS)
    points = [(from_iso(each.timestamp), each.price, each.market_cap, each.volume_24h) for each in page.records]
    assert coingecko.chart(points) == {
        name: [tuple(point) for point in told[:-1]] for name, told in json.loads(body).items()
    }


@given(st.decimals(min_value=0, max_value=10**6, places=8, allow_nan=False))
def test_a_number_of_up_to_fifteen_digits_keeps_its_spelling(number):  # type: ignore[no-untyped-def]
    text = f"{number:f}"
    assert eight(float(text)) == text if len(text) <= 15 else float(eight(float(text))) == float(text)


@given(st.floats(min_value=0, allow_infinity=False))
def test_no_number_loses_or_gains_a_digit(number: float):
    assert float(plain(number)) == float(eight(number)) == number
    assert "e" not in plain(number) + eight(number)


@pytest.mark.parametrize(
    ("price", "precision", "shown"),
    [
        (96114.08481738689, None, 96114),
        (2642.2421635443243, None, 2642.24),
        (1.000150209258716, None, 1.0),
        (0.0041151385291611125, None, 0.00411514),
        (1.23456789e-08, None, 1.23457e-08),
        (96114.08481738689, "full", 96114.08481738689),
        (96114.08481738689, "3", 96114.085),
        (0.5, "0", 0),
    ],
)
def test_prices_are_rounded_as_coingecko_rounds(price: float, precision: str | None, shown: float):
    assert coingecko.rounded(price, precision) == shown


def test_months_end_where_the_next_begins():
    candle = Candle(
        source="binance", asset_id="BTCUSDT", symbol="BTCUSDT", quote="USDT", interval="1mo",
        timestamp="2026-02-01T00:00:00.000Z", fetched_at=iso(LATE_MS), open=1.0, high=1.0, low=1.0, close=1.0,
    )  # fmt: skip
    assert binance.kline(candle)[6] == end_of(candle.timestamp, "1mo") - 1
    assert (binance.kline(candle)[6] + 1) % DAY_MS == 0
