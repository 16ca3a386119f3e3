"""Binance: its tickers as records, its calls and its list of pairs."""

from __future__ import annotations

import json
from functools import partial

import msgspec
import pytest

from cryptoproxy.datasets import Ticker
from cryptoproxy.errors import OperatorError, SettingsError, TransientError
from cryptoproxy.upstreams.base import IncompleteError, RephrasedError, Response
from cryptoproxy.upstreams.binance.tickers import Binance


def ticker(symbol: str, **fields: object) -> dict[str, object]:
    return {"symbol": symbol, "lastPrice": "1.50000000", "closeTime": 1566445106119, "count": 3, **fields}


def body(*rows: object) -> bytes:
    return msgspec.json.encode(rows)


def test_every_field_of_a_recorded_ticker_arrives(read, recorded, reasons):
    poll = read(Binance(symbols=()), recorded("binance_ticker_24hr"))
    assert [record.asset_id for record in poll.records] == ["ETHBTC", "BTCUSDT", "SNGLSBTC"]
    assert poll.records[1] == Ticker(
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


def test_named_pairs_are_one_call():
    (call,) = Binance(symbols=["BTCUSDT", "ETHUSDT"]).calls()
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
    assert Binance().used(Response(200, headers, b"[]")) == used


def test_the_list_of_pairs_tells_quotes_that_no_suffix_can(read, recorded, reasons):
    source = Binance(symbols=())
    rows = body(ticker("BNBUSD"), ticker("USDTUSD"), ticker("123456"), ticker("NEWTRY"), ticker("NEW999"))
    poll = read(source, rows)
    assert [r.quote for r in poll.records] == ["TRY"]
    assert reasons(poll) == [("no_quote", each) for each in ("BNBUSD", "USDTUSD", "123456", "NEW999")]
    assert source.symbol_list.load([recorded("binance_exchange_info")]) == 3
    source.symbol_list.quotes.settle(["NEW999"])
    assert [r.quote for r in read(source, rows).records] == ["USD", "USD", "456", "TRY", "UNKNOWN"]


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


@pytest.mark.parametrize("said", [b'{"msg":"Invalid symbol.","code":"-1121"}', b'\xef\xbb\xbf{"code":-1121}'])
def test_a_wrong_pair_is_one_however_it_is_said(said):
    with pytest.raises(RephrasedError):
        Binance(symbols=["BTCUSDT", "GONEUSDT"]).check(Response(400, {}, said), now_ms=0)


UNKNOWN_PAIR = Response(400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')


def market(*symbols: object) -> bytes:
    """The whole one: more pairs than can be named."""
    return body(*(ticker(f"C{i}USDT") for i in range(101)), *(ticker(each) for each in symbols))


def test_a_pair_that_binance_does_not_know_costs_that_pair_alone(read, reasons):
    source = Binance(symbols=["BTCUSDT", "GONEUSDT", "ETHUSDT"])
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    (call,) = source.calls()
    assert (call.params, call.cost) == ({}, 80), "the whole market tells which"
    poll = read(source, market("BTCUSDT", "ETHUSDT", "XRPUSDT", "NEWUSD"))
    assert ([r.asset_id for r in poll.records], reasons(poll)) == (["BTCUSDT", "ETHUSDT"], [("absent", "GONEUSDT")])
    (call,) = source.calls()
    assert (call.params, call.cost) == ({"symbols": '["BTCUSDT","ETHUSDT"]'}, 2)
    poll = read(source, body(ticker("BTCUSDT"), ticker("ETHUSDT")))
    assert (len(poll.records), reasons(poll)) == (2, [("absent", "GONEUSDT")]), "it is counted on"


def test_a_pair_that_binance_did_not_know_is_tried_again_when_the_list_was_read_anew(read):
    source = Binance(symbols=["BTCUSDT", "SOONUSDT"])
    symbols = source.symbol_list
    assert symbols.next_call(None).params == {"symbols": '["BTCUSDT","SOONUSDT"]'}
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    assert symbols.next_call(None).params == {}, "for one that is wrong Binance refuses its list as well"
    read(source, market("BTCUSDT", "ETHUSDT"))
    assert symbols.next_call(None).params == {}
    symbols.load([msgspec.json.encode({"symbols": [{"symbol": "BTCUSDT", "quoteAsset": "USDT"}]})])
    assert source.calls()[0].params == {"symbols": '["BTCUSDT","SOONUSDT"]'}


def test_when_binance_knows_none_of_the_pairs_it_is_for_a_person_and_nothing_is_asked(read):
    source = Binance(symbols=["GONEUSDT", "ALSOUSDT"])
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    with pytest.raises(TransientError, match="no rows"):
        read(source, b"[]")
    assert source.calls()[0].cost == 80, "an empty market does not tell which pairs are wrong"
    with pytest.raises(TransientError, match="2 absent: ALSOUSDT"):
        read(source, market("BTCUSDT"))
    with pytest.raises(OperatorError, match=r"none of BINANCE_SYMBOLS \(GONEUSDT, ALSOUSDT\)"):
        source.calls()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, b'{"code":"-1121","msg":"Invalid symbol."}'),
        (400, b'\xef\xbb\xbf{"msg":"Invalid symbol.","code": -1121}'),
        (404, UNKNOWN_PAIR.body),
        (422, UNKNOWN_PAIR.body),
    ],
)
def test_an_unknown_pair_is_understood_however_it_is_told(status, told):
    source = Binance(symbols=["BTCUSDT", "GONEUSDT"])
    with pytest.raises(RephrasedError):
        source.check(Response(status, {}, told), now_ms=0)
    assert source.calls()[0].params == {}


def test_an_unknown_pair_where_none_was_named_is_for_a_person():
    source = Binance(symbols=["BTCUSDT", "GONEUSDT"])
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    assert source.calls()[0].cost == 80
    with pytest.raises(OperatorError, match="Invalid symbol"):
        source.check(UNKNOWN_PAIR, now_ms=0)


def test_what_the_whole_market_lacks_once_is_asked_for_again():
    source = Binance(symbols=["BTCUSDT", "ETHUSDT", "GONEUSDT"])
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    poll = partial(source.read, slot_ms=60_000, fetched_at_ms=60_100)
    with pytest.raises(IncompleteError, match="lacks ETHUSDT, GONEUSDT"):
        poll([market("BTCUSDT")])
    with pytest.raises(IncompleteError, match="lacks GONEUSDT"):
        poll([market("BTCUSDT", "ETHUSDT")])
    assert len(poll([market("BTCUSDT", "ETHUSDT")]).records) == 2
    assert source.calls()[0].params == {"symbols": '["BTCUSDT","ETHUSDT"]'}


@pytest.mark.parametrize(
    "odd",
    [
        body(ticker("BTCUSDT"), ticker("XRPUSDT")),
        market("BTCUSDT", "ETH?USDT").replace(b"?", b"\xff"),
        market("BTCUSDT", None),
    ],
    ids=["far too small", "a name that is no text", "a row without a name"],
)
def test_a_market_that_may_hide_a_pair_makes_none_a_wrong_name(read, reasons, odd):
    source = Binance(symbols=["BTCUSDT", "ETHUSDT"])
    with pytest.raises(RephrasedError):
        source.check(UNKNOWN_PAIR, now_ms=0)
    assert ("absent", "ETHUSDT") in reasons(read(source, odd))
    assert source.calls()[0].params == {}
    assert len(read(source, market("BTCUSDT", "ETHUSDT")).records) == 2


def test_another_refusal_is_binances_own_words():
    with pytest.raises(OperatorError, match="Illegal parameter"):
        Binance().check(Response(400, {}, b'{"code":-1104,"msg":"Illegal parameter"}'), now_ms=0)


def test_a_market_of_which_every_pair_is_halted_is_no_success(read):
    with pytest.raises(TransientError, match="without a single record: 2 halted: BTCUSDT: no trade in 24 h"):
        read(Binance(), body(ticker("BTCUSDT", count=0), ticker("ETHUSDT", count=0)))


def test_a_market_that_halves_is_asked_for_once_more_and_then_believed_and_said():
    source = Binance(symbols=())
    whole, half = body(*(ticker(f"C{i}USDT") for i in range(9))), body(*(ticker(f"C{i}USDT") for i in range(4)))
    poll = partial(source.read, slot_ms=60_000, fetched_at_ms=60_100)
    assert len(poll([whole]).records) == 9
    with pytest.raises(TransientError, match="4 assets, where there were 9 before"):
        poll([half])
    assert [(row.reason, row.asset_id) for row in poll([half]).rejected] == [("short", "binance")]
    assert poll([half]).rejected == []
