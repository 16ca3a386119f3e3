"""Binance: its tickers as records, its calls and its list of pairs."""

from __future__ import annotations

import json

import msgspec
import pytest

from cryptoproxy.common.errors import SettingsError, TransientError
from cryptoproxy.common.record import Record
from cryptoproxy.producer.sources.base import Answer
from cryptoproxy.producer.sources.binance import Binance


def ticker(symbol: str, **fields: object) -> dict[str, object]:
    return {"symbol": symbol, "lastPrice": "1.50000000", "closeTime": 1566445106119, "count": 3, **fields}


def body(*rows: object) -> bytes:
    return msgspec.json.encode(rows)


def test_every_field_of_a_recorded_ticker_arrives(read, recorded, reasons):
    poll = read(Binance(symbols=()), recorded("binance_ticker_24hr"))
    assert [record.asset_id for record in poll.records] == ["ETHBTC", "BTCUSDT", "SNGLSBTC"]
    assert poll.records[1] == Record(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        name="BTCUSDT",
        quote="USDT",
        price=9912.33,
        timestamp="2025-11-20T10:00:00.000Z",
        fetched_at="2025-11-20T10:00:00.321Z",
        fetch_delay_ms=321,
        last_updated="2019-08-22T03:38:26.532Z",
        volume_24h=483208782.28023141,
        high_24h=10366.91,
        low_24h=9762.0,
        change_24h=-4.322,
        open_24h=10360.04,
        base_volume_24h=47889.130573,
        trades_24h=470059,
        price_change_24h=-447.71,
        bid_price=9907.65,
        ask_price=9911.68,
    )
    snglsbtc = poll.records[2]
    assert (snglsbtc.price, snglsbtc.low_24h, snglsbtc.quote) == (0.00000074, 0.0000007, "BTC")
    assert reasons(poll) == [("halted", "BCCBTC")]


def test_a_halted_pair_is_none_even_with_a_price(read, reasons):
    poll = read(Binance(symbols=()), body(ticker("A", count=0), ticker("BTCUSDT")))
    assert ([record.asset_id for record in poll.records], reasons(poll)) == (["BTCUSDT"], [("halted", "A")])


@pytest.mark.parametrize("price", ["0.00000000", "-1", "", None, "abc", "1e400", "inf", 0])
def test_a_ticker_without_a_usable_price_is_rejected_alone(read, reasons, price):
    poll = read(Binance(symbols=()), body(ticker("BTCUSDT"), ticker("X", lastPrice=price)))
    assert (len(poll.records), reasons(poll)) == (1, [("no_price", "X")])


@pytest.mark.parametrize("field", ["bidPrice", "quoteVolume", "closeTime", "count"])
@pytest.mark.parametrize("value", ["", "NaN", "-inf", None, {}, True, "1e999"])
def test_a_bad_optional_field_is_left_out_without_losing_the_row(read, field, value):
    names = {"bidPrice": "bid_price", "quoteVolume": "volume_24h", "closeTime": "last_updated", "count": "trades_24h"}
    poll = read(Binance(symbols=()), body(ticker("BTCUSDT", **{field: value}), ticker("ETHUSDT")))
    assert getattr(poll.records[0], names[field]) is None
    assert len(poll.records) == 2


def test_no_close_time_that_is_none_or_beyond_all_years_breaks_a_row(read):
    rows = body(*(ticker(f"{n}USDT", closeTime=ms) for n, ms in enumerate((0, -5, 10**17, 2**70, 1))))
    assert [r.last_updated for r in read(Binance(symbols=()), rows).records] == [
        *[None] * 4,
        "1970-01-01T00:00:00.001Z",
    ]


def test_the_answer_to_one_symbol_is_read_too(read, recorded):
    one = msgspec.json.encode(json.loads(recorded("binance_ticker_24hr"))[0])
    assert read(Binance(symbols=()), one).records[0].asset_id == "ETHBTC"


def test_the_answer_of_2017_does_not_name_its_pair(read, recorded):
    (record,) = read(Binance(symbols=["ETHBTC"]), recorded("binance_ticker_24hr_2017")).records
    assert (record.asset_id, record.price, record.quote) == ("ETHBTC", 0.058618, "BTC")
    assert (record.trades_24h, record.last_updated) == (28928, "2017-10-16T23:06:49.488Z")
    with pytest.raises(TransientError):
        read(Binance(symbols=()), recorded("binance_ticker_24hr_2017"))


@pytest.mark.parametrize(
    "garbage", [b"", b"[", b"{}", b'{"code":0,"msg":"ok"}', b"<html></html>", b"null", b"[null]", b"3"]
)
def test_a_body_that_is_not_binances_is_transient(read, garbage):
    for source in (Binance(symbols=()), Binance(symbols=["BTCUSDT"])):
        with pytest.raises(TransientError, match="not what binance speaks"):
            read(source, garbage)


def test_an_empty_market_is_no_success(read):
    with pytest.raises(TransientError, match="no rows"):
        read(Binance(), b"[]")


def test_the_default_asks_for_two_pairs():
    (call,) = Binance().calls()
    assert call.url == "https://api.binance.com/api/v3/ticker/24hr"
    assert call.params == {"symbols": '["BTCUSDT","ETHUSDT"]'}
    assert (call.cost, call.headers) == (2, {})


@pytest.mark.parametrize(("named", "cost"), [(1, 2), (20, 2), (21, 40), (100, 40), (0, 80), (101, 80)])
def test_weights(named, cost):
    (call,) = Binance(symbols=[f"C{i}USDT" for i in range(named)]).calls()
    assert call.cost == cost


def test_symbols_are_upper_case_and_named_once_since_binance_refuses_others():
    (call,) = Binance(base_url="http://localhost:1/", symbols=["btcusdt", "BTCUSDT"]).calls()
    assert (call.url, call.params) == ("http://localhost:1/api/v3/ticker/24hr", {"symbols": '["BTCUSDT"]'})


def test_more_than_100_pairs_are_cut_out_of_the_whole_market(read, reasons):
    source = Binance(symbols=[f"C{i}USDT" for i in range(101)])
    assert source.calls()[0].params == {}
    poll = read(source, body(ticker("BTCUSDT"), *(ticker(f"C{i}USDT") for i in range(100))))
    assert (len(poll.records), reasons(poll)) == (100, [("absent", "C100USDT")])


@pytest.mark.parametrize("symbol", ["", "BTC USDT", 'BTC"', "BTC/USDT", "A,B"])
def test_a_symbol_that_no_exchange_can_have_is_refused(symbol):
    with pytest.raises(SettingsError, match="BINANCE_SYMBOLS"):
        Binance(symbols=[symbol])


@pytest.mark.parametrize(
    ("headers", "used"),
    [
        ({"x-mbx-used-weight": "40", "x-mbx-used-weight-1m": "42"}, 42),
        ({"x-mbx-used-weight": "40"}, 40),
        ({"x-mbx-used-weight-1m": "many"}, None),
        ({}, None),
    ],
)
def test_the_used_weight_is_what_binance_says(headers, used):
    assert Binance().used(Answer(200, headers, b"[]")) == used


def test_the_list_of_pairs_tells_quotes_that_no_suffix_can(read, recorded):
    source = Binance(symbols=())
    rows = body(ticker("BNBUSD"), ticker("USDTUSD"), ticker("123456"), ticker("NEWEUR"), ticker("NEW999"))
    assert [r.quote for r in read(source, rows).records] == ["BUSD", "TUSD", "UNKNOWN", "EUR", "UNKNOWN"]
    assert source.symbol_list.load([recorded("binance_exchange_info")]) == 3
    assert [r.quote for r in read(source, rows).records] == ["USD", "USD", "456", "EUR", "UNKNOWN"]


def test_the_list_of_pairs_is_one_call_and_only_for_those_asked_for():
    symbols = Binance(symbols=["BTCUSDT"]).symbol_list
    call = symbols.next_call(None)
    assert call.url == "https://api.binance.com/api/v3/exchangeInfo"
    assert (call.params, call.cost) == ({"symbols": '["BTCUSDT"]'}, 20)
    assert symbols.next_call(b"{}") is None
    assert Binance(symbols=()).symbol_list.next_call(None).params == {}


def test_an_odd_pair_in_the_list_loses_no_other():
    pairs = [{"symbol": "AB", "quoteAsset": "B"}, {"symbol": "CD"}, 7, {"symbol": "EF", "quoteAsset": "no quote"}]
    assert Binance().symbol_list.load([msgspec.json.encode({"symbols": pairs})]) == 1


@pytest.mark.parametrize("garbage", [b"", b"[]", b"{}", b'{"symbols":[]}', b'{"symbols":7}', b'{"symbols":[7]}'])
def test_what_is_no_list_of_pairs_changes_nothing(garbage):
    with pytest.raises(TransientError):
        Binance().symbol_list.load([garbage])
