"""Bars of Binance, Bybit and CoinGecko as candles: live polls, pages of the past, and what is no record."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import CANDLE, TICKER, Candle, Ticker, from_iso, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import OperatorError, SettingsError, TransientError
from cryptoproxy.upstreams.answers.candles import Candles
from cryptoproxy.upstreams.base import Call, IncompleteError, Response
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.candles import CoinGeckoCandles
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins
from cryptoproxy.upstreams.coingecko.plans import Plan
from cryptoproxy.upstreams.history import Page, Start

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded"
NOW_MS = from_iso("2026-11-20T10:00:00.000Z")
START = Start(0)


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def page(of: Any, symbol: str, body: bytes, span: Span, *, start: Start = START, now_ms: int = NOW_MS) -> Page:
    return of.page(symbol, start, span, Response(200, {}, body), now_ms=now_ms)


def span(begin: str, end: str) -> Span:
    return Span(from_iso(f"{begin}:00.000Z"), from_iso(f"{end}:00.000Z"))


def kline(begin_ms: int, price: object = "1.5", *, trades: int = 3) -> list[object]:
    return [begin_ms, price, price, price, price, "2", begin_ms + MINUTE_MS - 1, "3", trades, "1", "1.5", "0"]


def body(*rows: object) -> bytes:
    return msgspec.json.encode(rows)


MINUTES = BinanceCandles("1m", symbols=["BTCUSDT"])
SLOT_MS = NOW_MS
SPAN = Span(SLOT_MS - 10 * MINUTE_MS, SLOT_MS)


# --- every field of what was recorded


def test_every_field_of_a_recorded_kline_arrives():
    found = page(
        BinanceCandles("1d"),
        "ETHBTC",
        recorded("binance/klines_ETHBTC_1d_2019"),
        span("2019-01-01T00:00", "2019-02-01T00:00"),
    )
    assert found.records[0] == Candle(
        source="binance",
        asset_id="ETHBTC",
        symbol="ETHBTC",
        quote="BTC",
        interval="1d",
        timestamp="2019-01-01T00:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.000Z",
        open=0.035534,
        high=0.037532,
        low=0.035315,
        close=0.036629,
        base_volume=168390.91,
        quote_volume=6118.53696104,
        trades=128903,
        taker_base_volume=92258.482,
        taker_quote_volume=3352.45235579,
    )
    assert [CANDLE.id_of(each) for each in found.records] == [
        f"binance:ETHBTC:BTC:1d-{1546300800000 + day * DAY_MS}" for day in range(3)
    ]
    assert (len(found.rejected), len(found.begins)) == (0, 3)


def test_linear_volume_is_in_base_and_turnover_in_quote():
    found = page(
        BybitCandles("linear", "5m"),
        "BTCUSDT",
        recorded("bybit/candles/v5_kline_linear_BTCUSDT_5m_2024-06-07"),
        span("2024-06-07T12:10", "2024-06-07T12:20"),
        now_ms=1717763056863,
    )
    assert [each.timestamp for each in found.records] == ["2024-06-07T12:10:00.000Z", "2024-06-07T12:15:00.000Z"]
    assert found.records[0] == Candle(
        source="bybit-linear",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        interval="5m",
        timestamp="2024-06-07T12:10:00.000Z",
        fetched_at="2024-06-07T12:24:16.863Z",
        open=71849.9,
        high=71954.9,
        low=71803.8,
        close=71930.0,
        base_volume=651.211,
        quote_volume=46802918.442,
    )


def test_the_newest_bar_of_an_answer_that_is_not_over_is_no_record():
    """It was recorded at 12:24:16, within the bar that begins at 12:20."""
    found = page(
        BybitCandles("linear", "5m"),
        "BTCUSDT",
        recorded("bybit/candles/v5_kline_linear_BTCUSDT_5m_2024-06-07"),
        span("2024-06-07T12:10", "2024-06-07T12:30"),
        now_ms=1717763056863,
    )
    assert [each.timestamp[11:16] for each in found.records] == ["12:10", "12:15"]
    assert (len(found.begins), found.rejected) == (3, [])


def test_inverse_volumes_are_the_other_way_round():
    (first, *_) = page(
        BybitCandles("inverse", "1h"),
        "BTCUSD",
        recorded("bybit/candles/v5_kline_inverse_BTCUSD_60_documentation"),
        span("2022-12-09T16:00", "2022-12-09T19:00"),
    ).records
    assert (first.quote, first.quote_volume, first.base_volume) == ("USD", 6356.0, 0.37288112)


def test_coingecko_stamps_the_end_of_a_bar_and_the_last_one_is_open():
    """It was recorded at 15:34; the last row says 16:00."""
    coins = Coins(Access(), quote="myr")
    found = page(
        CoinGeckoCandles("4h", coins=coins),
        "bitcoin",
        recorded("coingecko/ohlc_bitcoin_30d_myr_2021-05-15"),
        span("2021-05-01T00:00", "2021-06-01T00:00"),
        start=Start(0, symbol="BTC", name="Bitcoin"),
        now_ms=from_iso("2021-05-15T20:34:28.000Z"),
    )
    assert [each.timestamp for each in found.records] == ["2021-05-15T04:00:00.000Z", "2021-05-15T08:00:00.000Z"]
    assert found.records[0] == Candle(
        source="coingecko",
        asset_id="bitcoin",
        symbol="BTC",
        quote="MYR",
        interval="4h",
        timestamp="2021-05-15T04:00:00.000Z",
        fetched_at="2021-05-15T20:34:28.000Z",
        open=205344.28,
        high=205344.28,
        low=201795.18,
        close=201795.18,
    )


def test_a_chart_gives_a_ticker_for_each_midnight_and_none_for_now():
    found = page(
        CoinGeckoCharts(coins=Coins(Access())),
        "bitcoin",
        recorded("coingecko/market_chart_bitcoin_daily_2021-05-15"),
        span("2021-05-01T00:00", "2021-06-01T00:00"),
        start=Start(0, symbol="BTC", name="Bitcoin"),
        now_ms=from_iso("2021-05-15T14:42:26.000Z"),
    )
    assert [each.timestamp[:16] for each in found.records] == [f"2021-05-{day}T00:00" for day in (13, 14, 15)]
    assert found.records[0] == Ticker(
        source="coingecko",
        asset_id="bitcoin",
        symbol="BTC",
        name="Bitcoin",
        quote="USD",
        price=50004.76218313686,
        timestamp="2021-05-13T00:00:00.000Z",
        fetched_at="2021-05-15T14:42:26.000Z",
        fetch_delay_ms=225_746_000,
        interval_ms=86_400_000,
        market_cap=935512493150.826,
        volume_24h=75523928654.34041,
    )
    for record in found.records:
        TICKER.codec.encode(record)


def test_a_point_of_today_that_is_not_final_is_none():
    found = page(
        CoinGeckoCharts(coins=Coins(Access())),
        "bitcoin",
        recorded("coingecko/market_chart_bitcoin_daily_2021-05-15"),
        span("2021-05-01T00:00", "2021-06-01T00:00"),
        now_ms=from_iso("2021-05-15T00:20:00.000Z"),
    )
    assert [each.timestamp[:10] for each in found.records] == ["2021-05-13", "2021-05-14"]


# --- pages of the past


def test_an_outage_is_in_the_begins_of_a_page():
    found = page(
        BinanceCandles("1h"),
        "BTCUSDT",
        recorded("binance/klines_BTCUSDT_1h_outage_2020-06-28"),
        span("2020-06-28T00:00", "2020-06-29T00:00"),
    )
    assert [iso(each)[11:13] for each in found.begins] == ["00", "01", "05", "06"]


def test_binance_is_asked_for_open_times_with_inclusive_bounds_in_milliseconds():
    call = BinanceCandles("1mo", base_url="http://localhost:1/").call("BTCUSDT", SPAN, now_ms=NOW_MS)
    assert call == Call(
        "http://localhost:1/api/v3/klines",
        {
            "symbol": "BTCUSDT",
            "interval": "1M",
            "startTime": str(SPAN.begin_ms),
            "endTime": str(SPAN.end_ms - 1),
            "limit": "1000",
        },
        cost=2,
    )


def test_a_page_of_binance_tells_up_to_its_last_bar_and_an_empty_one_up_to_the_end():
    assert page(MINUTES, "BTCUSDT", body(kline(SPAN.begin_ms)), SPAN).covered_ms == SPAN.begin_ms + 1
    assert page(MINUTES, "BTCUSDT", body(kline(SPAN.end_ms - MINUTE_MS)), SPAN).covered_ms == SPAN.end_ms
    assert page(MINUTES, "BTCUSDT", b"[]", SPAN).covered_ms == SPAN.end_ms


def test_bybit_is_asked_for_no_more_than_a_page_holds_and_that_window_is_told():
    minutes = BybitCandles("linear", "1m")
    wide = Span(SPAN.begin_ms, SPAN.begin_ms + 5000 * MINUTE_MS)
    call = minutes.call("BTCUSDT", wide, now_ms=NOW_MS)
    assert call.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "interval": "1",
        "start": str(wide.begin_ms),
        "end": str(wide.begin_ms + 1000 * MINUTE_MS - 1),
        "limit": "1000",
    }
    empty = recorded("bybit/candles/v5_kline_spot_KASUSDT_empty_2024-09-30")
    found = page(BybitCandles("spot", "1m"), "KASUSDT", empty, wide)
    assert (found.records, found.covered_ms) == ([], wide.begin_ms + 1000 * MINUTE_MS)


def test_bybits_bar_that_contains_the_start_is_none_of_the_span():
    found = page(
        BybitCandles("spot", "1m"),
        "BTCUSDT",
        recorded("bybit/candles/v5_kline_spot_BTCUSDT_1m_unaligned_start_2023-05-08"),
        Span(1683472808000, 1683472876001),
    )
    assert [from_iso(each.timestamp) for each in found.records] == [1683472860000]


@pytest.mark.parametrize(
    ("interval", "age_days", "days"),
    [("30m", 1, "1"), ("4h", 2, "7"), ("4h", 15, "30"), ("4d", 91, "180"), ("4d", 900, "365")],
)
def test_coingecko_is_asked_for_the_days_that_give_bars_of_that_length(interval, age_days, days):
    candles = CoinGeckoCandles(interval, coins=Coins(Access()))
    call = candles.call("bitcoin", Span(NOW_MS - age_days * DAY_MS, NOW_MS), now_ms=NOW_MS)
    assert call.url.endswith("/coins/bitcoin/ohlc")
    assert call.params == {"vs_currency": "usd", "days": days, "precision": "full"}


def test_a_free_plan_reaches_back_a_year_and_a_paid_one_to_the_begin():
    free, paid = Coins(Access()), Coins(Access(Plan.PRO, api_key=lambda: "a-key"))
    for make in (lambda coins: CoinGeckoCandles("4d", coins=coins), lambda coins: CoinGeckoCharts(coins=coins)):
        assert make(free).reach_ms(NOW_MS) == NOW_MS - 365 * DAY_MS
        assert make(paid).reach_ms(NOW_MS) == 0
    span = Span(NOW_MS - 900 * DAY_MS, NOW_MS)
    assert CoinGeckoCandles("4d", coins=paid).call("bitcoin", span, now_ms=NOW_MS).params["days"] == "max"
    assert CoinGeckoCharts(coins=paid).call("bitcoin", span, now_ms=NOW_MS).params["days"] == "900"
    assert CoinGeckoCharts(coins=free).call("bitcoin", span, now_ms=NOW_MS).params["days"] == "365"


def test_rows_out_of_order_doubled_and_overlapping_give_each_bar_once_in_order():
    first, second, third = (kline(SPAN.begin_ms + each * MINUTE_MS) for each in range(3))
    found = page(MINUTES, "BTCUSDT", body(third, first, second, first, kline(SPAN.begin_ms, "9")), SPAN)
    assert [from_iso(each.timestamp) for each in found.records] == [row[0] for row in (first, second, third)]
    assert [row.reason for row in found.rejected] == ["duplicate", "changed"]
    assert found.records[0].close == 1.5


@pytest.mark.parametrize("price", ["0", "-1", "", None, "abc", "1e400", "inf", "NaN", {}, True])
def test_a_bar_without_usable_prices_is_rejected_alone(price):
    found = page(MINUTES, "BTCUSDT", body(kline(SPAN.begin_ms), kline(SPAN.begin_ms + MINUTE_MS, price)), SPAN)
    assert (len(found.records), [row.reason for row in found.rejected]) == (1, ["no_price"])


@pytest.mark.parametrize("volume", ["", None, "NaN", {}, "1e999"])
def test_a_bad_volume_is_left_out_without_losing_the_bar(volume):
    row = kline(SPAN.begin_ms)
    row[5] = volume
    (candle,) = page(MINUTES, "BTCUSDT", body(row, 7, [None, "1"], []), SPAN).records
    assert (candle.base_volume, candle.quote_volume, candle.trades) == (None, 3.0, 3)


def test_a_row_that_is_no_json_costs_that_row():
    text = body(kline(SPAN.begin_ms)).replace(b'"2"', b"NaN", 1)
    (candle,) = page(MINUTES, "BTCUSDT", text, SPAN).records
    assert candle.base_volume is None


def test_a_bar_without_a_trade_is_a_record():
    (candle,) = page(MINUTES, "BTCUSDT", body(kline(SPAN.begin_ms, trades=0)), SPAN).records
    assert candle.trades == 0


def test_an_open_time_off_the_grid_is_kept():
    odd = SPAN.begin_ms + 28_150
    assert page(MINUTES, "BTCUSDT", body(kline(odd)), SPAN).records[0].timestamp == iso(odd)


@pytest.mark.parametrize("garbage", [b"", b"[", b"{}", b"null", b"<html>", b'{"code":0,"msg":"ok"}', b"[7]", b"3"])
def test_a_body_of_another_shape_is_transient(garbage):
    for each in (MINUTES, BybitCandles("linear", "1m"), CoinGeckoCandles("4h", coins=Coins(Access()))):
        with pytest.raises(TransientError, match="not what"):
            page(each, "BTCUSDT", garbage, SPAN)


@pytest.mark.parametrize("stamp", [SPAN.begin_ms * 1000, SPAN.begin_ms // 1000])
def test_stamps_in_another_unit_are_no_bars(stamp):
    with pytest.raises(TransientError, match="not what binance speaks"):
        page(MINUTES, "BTCUSDT", body(kline(stamp)), SPAN)


def test_a_page_of_another_time_market_or_symbol_cannot_be():
    with pytest.raises(TransientError, match="asked for bars of BTCUSDT from"):
        page(MINUTES, "BTCUSDT", body(kline(SPAN.begin_ms - HOUR_MS)), SPAN)
    answer = recorded("bybit/candles/v5_kline_linear_BTCUSDT_5m_2024-06-07")
    with pytest.raises(TransientError, match="the category 'linear', not spot"):
        page(BybitCandles("spot", "5m"), "BTCUSDT", answer, SPAN)
    with pytest.raises(TransientError, match="the symbol 'BTCUSDT', not ETHUSDT"):
        page(BybitCandles("linear", "5m"), "ETHUSDT", answer, SPAN)


def test_what_the_upstreams_clock_says_is_not_over_is_no_record():
    bar = body(kline(SLOT_MS - MINUTE_MS))
    for date, records in (("10:00:01", 0), ("10:00:03", 1)):
        answer = Response(200, {"date": f"Fri, 20 Nov 2026 {date} GMT"}, bar)
        found = MINUTES.page("BTCUSDT", START, SPAN, answer, now_ms=SLOT_MS + 20_000)
        assert (len(found.records), len(found.begins)) == (records, 1)


def test_where_the_walk_begins():
    assert MINUTES.start_call("BTCUSDT").params == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startTime": "0",
        "limit": "1",
    }
    assert MINUTES.start("BTCUSDT", Response(200, {}, body(kline(1503014400000)))) == Start(1503014400000)
    assert MINUTES.start("X", Response(200, {}, b"[]")) == Start(None)
    assert MINUTES.start("X", Response(400, {}, recorded("binance/error_-1121"))) == Start(None)
    bybit = BybitCandles("inverse", "1m")
    assert bybit.start_call("BTCUSD").params["interval"] == "M"
    first = bybit.start("BTCUSD", Response(200, {}, recorded("bybit/candles/v5_kline_inverse_BTCUSD_60_documentation")))
    assert first == Start(1670601600000, within_ms=31 * DAY_MS), "the begin of its first month"
    assert bybit.start("X", Response(200, {}, recorded("bybit/error_10001"))).begin_ms is None
    coins = CoinGeckoCharts(coins=Coins(Access()))
    names = recorded("coingecko/markets_2022-01-29")
    assert coins.start("bitcoin", Response(200, {}, names)) == Start(0, symbol="BTC", name="Bitcoin")
    assert coins.start("x", Response(200, {}, names)) == Start(None)


def test_the_last_bar_that_may_be_asked_for_is_over():
    assert MINUTES.last_ms(NOW_MS + 2_999) == NOW_MS - MINUTE_MS - 1
    assert MINUTES.last_ms(NOW_MS + 3_000) == NOW_MS - MINUTE_MS


def test_a_symbol_whose_quote_nothing_tells_waits_for_the_list():
    with pytest.raises(TransientError, match="list of symbols"):
        page(MINUTES, "123456", body(kline(SPAN.begin_ms)), SPAN)


# --- live


def live(source: Candles, *bodies: bytes, at_ms: int = SLOT_MS) -> tuple[list[Candle], list[tuple[str, str]]]:
    """Of the bars that end at ``at_ms``."""
    poll = source.read(bodies, slot_ms=at_ms + source.delay_ms, fetched_at_ms=at_ms + source.delay_ms + 120)
    return list(poll.records), [(row.reason, row.asset_id) for row in poll.rejected]  # type: ignore[arg-type]


def test_a_slot_asks_for_the_bar_of_each_symbol_that_has_just_ended():
    source = BinanceCandles("1m", symbols=["btcusdt", "ETHUSDT", "BTCUSDT"])
    assert (source.feed.name, source.symbols, source.delay_ms) == ("binance.candle-1m", ("BTCUSDT", "ETHUSDT"), 3_000)
    calls = source.calls()
    assert [(call.params["symbol"], call.cost) for call in calls] == [("BTCUSDT", 2), ("ETHUSDT", 2)]
    assert calls[0].params == {"symbol": "BTCUSDT", "interval": "1m", "limit": "3"}
    assert BinanceCandles("1s").newest == 5, "three have ended while the slot was waited for"
    records, rejected = live(source, body(kline(SLOT_MS - MINUTE_MS)), body(kline(SLOT_MS - MINUTE_MS, "7")))
    assert [(each.asset_id, each.close, each.timestamp) for each in records] == [
        ("BTCUSDT", 1.5, "2026-11-20T09:59:00.000Z"),
        ("ETHUSDT", 7.0, "2026-11-20T09:59:00.000Z"),
    ]
    assert rejected == []


def test_a_bar_that_is_corrected_later_stays_as_it_was_and_the_difference_is_said():
    source = BinanceCandles("1m", symbols=["BTCUSDT"])
    first, second = kline(SLOT_MS - MINUTE_MS), kline(SLOT_MS)
    assert live(source, body(first))[1] == []
    records, rejected = live(source, body(kline(SLOT_MS - MINUTE_MS, "1.6"), second), at_ms=SLOT_MS + MINUTE_MS)
    assert ([each.timestamp for each in records], rejected) == (["2026-11-20T10:00:00.000Z"], [("changed", "BTCUSDT")])
    assert live(source, body(second, kline(SLOT_MS + MINUTE_MS)), at_ms=SLOT_MS + 2 * MINUTE_MS)[1] == []


def test_an_open_bar_beside_the_closed_one_is_no_record():
    rows = (kline(SLOT_MS - 2 * MINUTE_MS), kline(SLOT_MS - MINUTE_MS), kline(SLOT_MS, "9"))
    records, _ = live(BinanceCandles("1m", symbols=["BTCUSDT"]), body(*rows))
    assert [each.timestamp for each in records] == ["2026-11-20T09:59:00.000Z"]


def test_a_bar_off_the_grid_comes_with_the_slot_after_its_own_end():
    source = BinanceCandles("1m", symbols=["BTCUSDT"])
    rows = [kline(SLOT_MS + at) for at in (-2 * MINUTE_MS, -MINUTE_MS + 28_150, 0)]
    for _ in range(2):  # it is no record yet
        with pytest.raises(TransientError):
            live(source, body(*rows))
    for at_ms in (SLOT_MS + MINUTE_MS, SLOT_MS + 2 * MINUTE_MS):
        rows = [*rows[-2:], kline(at_ms)]
        records, rejected = live(source, body(*rows), at_ms=at_ms)
        if at_ms == SLOT_MS + MINUTE_MS:
            assert [each.timestamp for each in records] == [iso(SLOT_MS - MINUTE_MS + 28_150), iso(SLOT_MS)]
    assert ([each.timestamp for each in records], rejected) == ([iso(SLOT_MS + MINUTE_MS)], [])


def test_a_symbol_without_its_bar_is_asked_for_once_more_and_then_absent():
    source = BinanceCandles("1m", symbols=["BTCUSDT", "ETHUSDT"])
    there, stale = body(kline(SLOT_MS - MINUTE_MS)), body(kline(SLOT_MS - 5 * MINUTE_MS))
    with pytest.raises(IncompleteError) as error:
        live(source, there, stale)
    assert error.value.pages == (1,)
    records, rejected = live(source, there, b"[]")
    assert (len(records), rejected) == (1, [("absent", "ETHUSDT")])
    assert live(source, there, there)[1] == []


NOT_SPOKEN = [b"null", b"{}", b"", b'[["1"', b"<html>", b'{"retCode":0,"result":{}}', b'{"result":{"list":null}}']


@pytest.mark.parametrize("odd", NOT_SPOKEN)
def test_a_symbols_body_that_is_not_what_the_upstream_speaks_costs_that_symbol_alone(odd):
    there = body(kline(SLOT_MS - MINUTE_MS))
    listed = json.dumps({"retCode": 0, "result": {"list": [[str(SLOT_MS - MINUTE_MS), *["1"] * 6]]}}).encode()
    for kind, good in ((BinanceCandles, there), (partial(BybitCandles, "linear"), listed)):
        source = kind("1m", symbols=["BTCUSDT", "ETHUSDT", "XRPUSDT"])
        with pytest.raises(IncompleteError, match="ETHUSDT: not what") as error:
            live(source, good, odd, good)
        assert error.value.pages == (1,)
        records, rejected = live(source, good, odd, good)
        assert [each.asset_id for each in records] == ["BTCUSDT", "XRPUSDT"]
        assert rejected == [("bad_row", "ETHUSDT")]
        with pytest.raises(IncompleteError):
            live(source, odd, odd, odd)
        with pytest.raises(TransientError, match="not a single record: BTCUSDT: not what"):
            live(source, odd, odd, odd)


WRONG_NAMES = {
    "binance": [
        b'{"msg":"Invalid symbol.","code":-1121}',
        b'{"code":"-1121","msg":"Invalid symbol."}',
        b'\xef\xbb\xbf{"code":-1121,"msg":"Invalid symbol."}',
        b'{"msg":"Illegal \xff","code": -1100}',
    ],
    "bybit": [
        b'{"retCode":10029,"retMsg":"The requested symbol is invalid"}',
        b'{"retMsg":"Not supported symbols","retCode":10001,"result":{}}',
        b'{"retCode":"10001","retMsg":"Symbol Is Invalid"}',
        b'{"retCode":10001,"retMsg":"params error: \\"X\\" is no symbol"}',
        b'{"retCode":10001,"retMsg":"SYMBOL NOT FOUND"}',
    ],
    "coingecko": [
        b'\xef\xbb\xbf{"error":"coin not found"}',
        b'{"more":"' + b"x" * 400 + b'","error":"coin not found"}',
        b'{"status":{"error_code":404,"error_message":"Coin not found"}}',
    ],
}


@pytest.mark.parametrize(("upstream", "said"), [(name, each) for name in WRONG_NAMES for each in WRONG_NAMES[name]])
def test_a_wrong_name_costs_that_name_alone_however_it_is_said(upstream, said):
    source = {
        "binance": BinanceCandles("1m"),
        "bybit": BybitCandles("linear", "1m"),
        "coingecko": CoinGeckoCandles("4h", coins=Coins(Access())),
    }[upstream]
    answer = Response(200 if upstream == "bybit" else 404, {}, said)
    source.check(answer, now_ms=NOW_MS)
    assert source.page("X", START, SPAN, answer, now_ms=NOW_MS).records == []


@pytest.mark.parametrize(
    "said",
    [b'{"code":-1122,"msg":"-1121"}', b'{"code":-11210}', b'{"msg":"\\"code\\":-1121","code":-2}'],
)
def test_what_is_not_about_a_name_stops_all(said):
    with pytest.raises(OperatorError):
        MINUTES.check(Response(400, {}, said), now_ms=NOW_MS)
    with pytest.raises(OperatorError):
        BybitCandles("linear", "1m").check(
            Response(200, {}, b'{"retCode":10001,"retMsg":"Illegal category"}'), now_ms=0
        )


def test_what_lacked_and_came_back_is_asked_for_once_more_when_it_lacks_again():
    source = BinanceCandles("1m", symbols=["BTCUSDT", "ETHUSDT"])
    there = body(kline(SLOT_MS - MINUTE_MS))
    for _ in range(2):
        with pytest.raises(IncompleteError):
            live(source, there, b"[]")
        assert live(source, there, b"[]")[1] == [("absent", "ETHUSDT")]
        assert live(source, there, b"[]")[1] == [("absent", "ETHUSDT")]
        assert live(source, there, there)[1] == []


def test_where_the_names_cannot_be_read_they_alone_are_asked_for_again():
    source = CoinGeckoCandles("4h", coins=Coins(Access()), ids=["bitcoin"])
    with pytest.raises(IncompleteError, match="not what coingecko speaks") as error:
        source.read([b"{}", body()], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS)
    assert error.value.pages == (0,)


def test_a_symbol_that_the_upstream_does_not_know_costs_that_symbol_alone():
    source = BinanceCandles("1m", symbols=["BTCUSDT", "GONEUSDT"])
    unknown = recorded("binance/error_-1121")
    source.check(Response(400, {}, unknown), now_ms=NOW_MS)
    records, rejected = live(source, body(kline(SLOT_MS - MINUTE_MS)), unknown)
    assert (len(records), rejected) == (1, [("absent", "GONEUSDT")])
    with pytest.raises(TransientError, match="not a single record"):
        live(source, unknown, unknown)
    bybit = BybitCandles("spot", "1m", symbols=["GONEUSDT"])
    bybit.check(Response(200, {}, recorded("bybit/error_10001")), now_ms=NOW_MS)


def test_an_answer_from_before_its_time_by_the_upstreams_clock_is_asked_for_again():
    source = BinanceCandles("1m", symbols=["BTCUSDT"])
    early = Response(200, {"date": "Fri, 20 Nov 2026 10:00:01 GMT"}, b"[]")
    source.check(early, now_ms=SLOT_MS + 3_100)  # of the past: a page tells itself which bars are over
    source.calls()
    with pytest.raises(TransientError, match="may still change"):
        source.check(early, now_ms=SLOT_MS + 3_100)
    source.check(Response(200, {"date": "Fri, 20 Nov 2026 10:00:03 GMT"}, b"[]"), now_ms=SLOT_MS + 3_100)


@pytest.mark.parametrize("interval", ["3d", "1w", "1mo"])
def test_bars_of_more_than_a_day_are_asked_for_each_day_and_the_last_closed_one_counts(interval):
    source = BinanceCandles(interval, symbols=["BTCUSDT"])
    today = from_iso("2026-11-20T00:00:00.000Z")
    (call,) = source.calls()
    assert call.params == {"symbol": "BTCUSDT", "interval": source.intervals[interval], "limit": "3"}
    begin = from_iso("2026-10-01T00:00:00.000Z")
    records, _ = live(source, body(kline(begin), kline(from_iso("2026-11-19T00:00:00.000Z"))), at_ms=today)
    assert [from_iso(each.timestamp) for each in records] == [begin]


def test_coingecko_is_asked_late_and_says_what_its_coins_are_called_first():
    source = CoinGeckoCandles("4h", coins=Coins(Access(), quote="myr"), ids=["bitcoin"])
    assert source.delay_ms == 16 * MINUTE_MS
    close = from_iso("2021-05-15T12:00:00.000Z")
    calls = source.calls()
    assert [call.url.rpartition("v3")[2] for call in calls] == ["/coins/markets", "/coins/bitcoin/ohlc"]
    names, bars = recorded("coingecko/markets_2022-01-29"), recorded("coingecko/ohlc_bitcoin_30d_myr_2021-05-15")
    poll = source.read([names, bars], slot_ms=close + source.delay_ms, fetched_at_ms=close + source.delay_ms)
    assert [(each.symbol, each.timestamp) for each in poll.records] == [("BTC", "2021-05-15T08:00:00.000Z")]
    with pytest.raises(IncompleteError) as error:
        source.read([names, b"[]"], slot_ms=close + source.delay_ms, fetched_at_ms=close + source.delay_ms)
    assert error.value.pages == (1,)


def test_a_coin_that_coingecko_does_not_know():
    source = CoinGeckoCandles("4h", coins=Coins(Access()), ids=["nocoin"])
    unknown = Response(404, {}, b'{"error":"coin not found"}')
    source.check(unknown, now_ms=NOW_MS)
    found = source.page("nocoin", START, SPAN, unknown, now_ms=NOW_MS)
    assert (found.records, found.covered_ms) == ([], SPAN.end_ms)


def test_intervals_in_the_upstreams_own_spelling():
    spelled = {"1m": "1m", "1mo": "1M", "1w": "1w", "8h": "8h"}
    for ours, theirs in spelled.items():
        assert BinanceCandles(ours).call("BTCUSDT", SPAN, now_ms=NOW_MS).params["interval"] == theirs
    for ours, theirs in {"1m": "1", "4h": "240", "1d": "D", "1w": "W", "1mo": "M"}.items():
        assert BybitCandles("spot", ours).call("BTCUSDT", SPAN, now_ms=NOW_MS).params["interval"] == theirs
    known = set(CANDLE.parts)
    for each in (BinanceCandles, BybitCandles, CoinGeckoCandles):
        assert set(each.intervals) <= known
    with pytest.raises(SettingsError, match="bybit-spot has no candles of '8h'"):
        BybitCandles("spot", "8h")
    with pytest.raises(SettingsError, match="no symbol 'BTC/USDT'"):
        BinanceCandles("1m", symbols=["BTC/USDT"])


def test_a_record_made_of_any_of_them_goes_through_its_bytes():
    answer = json.loads(recorded("binance/klines_BTCUSDT_1m_2021-10-22"))
    found = page(MINUTES, "BTCUSDT", body(*answer), Span(answer[0][0], answer[-1][0] + 1))
    assert [CANDLE.codec.decode(CANDLE.codec.encode(each)) for each in found.records] == found.records
    assert len(found.records) == 3
