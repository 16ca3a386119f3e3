"""Bybit: both shapes of its tickers as records, its three markets, its calls and its list of symbols."""

from __future__ import annotations

import json

import msgspec
import pytest

from cryptoproxy.datasets import Ticker, encode
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.bybit.tickers import Bybit, NamedSymbols


def v5(*rows: object, category: str = "linear", time: object = 1677515084284) -> bytes:
    result = {"category": category, "list": rows}
    return msgspec.json.encode({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": time})


def row(symbol: str, price: object = "1.5", **fields: object) -> dict[str, object]:
    return {"symbol": symbol, "lastPrice": price, **fields}


def test_every_field_of_a_linear_contract_arrives(read, recorded):
    rows = json.loads(recorded("bybit_v5_linear_result"))["list"]
    poll = read(Bybit("linear"), v5(*rows))
    assert poll.records[0] == Ticker(
        source="bybit-linear",
        asset_id="10000NFTUSDT",
        symbol="10000NFTUSDT",
        name="10000NFTUSDT",
        quote="USDT",
        price=0.004525,
        timestamp="2025-11-20T10:00:00.000Z",
        fetched_at="2025-11-20T10:00:00.321Z",
        fetch_delay_ms=321,
        last_updated="2023-02-27T16:24:44.284Z",
        volume_24h=283786.75021999,
        high_24h=0.00458,
        low_24h=0.00448,
        change_24h=0.4439,
        base_volume_24h=62687990.0,
        price_change_24h=0.00002,
        bid_price=0.004525,
        ask_price=0.00453,
        index_price=0.004528,
        mark_price=0.004525,
        open_interest=42604310.0,
        prev_price_1h=0.00452,
        prev_price_24h=0.004505,
        price_24h_pcnt=0.004439,
        turnover_24h=283786.75021999,
        funding_rate=0.000087,
        next_funding_time="1678204800000",
    )
    assert (poll.records[1].asset_id, poll.records[1].quote) == ("BTCPERP", "USDC")


def test_every_field_of_a_spot_pair_arrives(read, recorded):
    (record,) = read(Bybit("spot"), recorded("bybit_v5_spot")).records
    assert msgspec.json.decode(encode(record)) == {
        "source": "bybit-spot",
        "asset_id": "BTCUSDT",
        "symbol": "BTCUSDT",
        "name": "BTCUSDT",
        "quote": "USDT",
        "price": 25838.0,
        "timestamp": "2025-11-20T10:00:00.000Z",
        "fetched_at": "2025-11-20T10:00:00.321Z",
        "fetch_delay_ms": 321,
        "last_updated": "2023-09-07T17:22:26.132Z",
        "volume_24h": 133602935.81431006,
        "high_24h": 26049.11,
        "low_24h": 25560.01,
        "change_24h": 1.04,
        "base_volume_24h": 5183.468529,
        "price_change_24h": 266.77,
        "bid_price": 25838.0,
        "ask_price": 25838.01,
        "prev_price_24h": 25571.23,
        "price_24h_pcnt": 0.0104,
        "turnover_24h": 133602935.81431006,
    }


def test_every_field_of_the_old_shape_arrives_and_inverse_counts_volume_in_quote(read, recorded):
    poll = read(Bybit("inverse"), recorded("bybit_v2_inverse"))
    assert poll.records[1] == Ticker(
        source="bybit-inverse",
        asset_id="ETHUSD",
        symbol="ETHUSD",
        name="ETHUSD",
        quote="USD",
        price=174.05,
        timestamp="2025-11-20T10:00:00.000Z",
        fetched_at="2025-11-20T10:00:00.321Z",
        fetch_delay_ms=321,
        last_updated="2019-09-05T03:29:29.767Z",
        volume_24h=89846007.0,
        high_24h=180.4,
        low_24h=173.25,
        change_1h=-0.0,
        change_24h=-3.0,
        base_volume_24h=507717.03,
        price_change_24h=-4.6,
        bid_price=174.0,
        ask_price=174.05,
        index_price=174.16,
        mark_price=174.17,
        open_interest=7243768.0,
        prev_price_1h=174.85,
        prev_price_24h=178.65,
        price_1h_pcnt=-0.0,
        price_24h_pcnt=-0.03,
        turnover_24h=507717.03,
        total_volume=12124592516.0,
        funding_rate=0.0,
        next_funding_time="2019-09-05T08:00:00Z",
    )


def test_the_result_alone_is_read_but_has_no_time(read, recorded):
    (record,) = read(Bybit("linear"), recorded("bybit_v2_linear_result")).records
    assert (record.price, record.quote, record.last_updated) == (18753.5, "USDT", None)
    assert (record.volume_24h, record.base_volume_24h) == (1449869606.1920037, 76646.73299999)
    assert (record.price_1h_pcnt, record.change_1h, record.total_volume) == (None, None, 0.0)
    assert record.next_funding_time == "2022-09-22T08:00:00Z"
    assert len(read(Bybit("linear"), recorded("bybit_v5_linear_result")).records) == 2


def test_v5_inverse_swaps_volume_and_turnover(read):
    rows = v5(row("BTCUSD", turnover24h="2352.9", volume24h="49337318"), category="inverse")
    (record,) = read(Bybit("inverse"), rows).records
    assert (record.volume_24h, record.base_volume_24h, record.turnover_24h) == (49337318.0, 2352.9, 2352.9)


def test_empty_texts_and_zero_times_mean_none(read):
    dated = row(
        "BTC-26MAR26", fundingRate="", nextFundingTime="", deliveryTime="1774512000000", openInterest="", bid1Price=""
    )
    perpetual = row("BTCUSDT", fundingRate="0", nextFundingTime="1677542400000", deliveryTime="0")
    first, second = read(Bybit("linear"), v5(dated, perpetual)).records
    assert (first.funding_rate, first.next_funding_time, first.delivery_time) == (None, None, "1774512000000")
    assert (first.open_interest, first.bid_price, first.quote) == (None, None, "USDC")
    assert (second.funding_rate, second.next_funding_time, second.delivery_time) == (0.0, "1677542400000", None)


@pytest.mark.parametrize(("time", "kept"), [(1677542400000, "1677542400000"), (0, None), ([], None), (1.5, None)])
def test_times_that_are_no_text(read, time, kept):
    record = read(Bybit("linear"), v5(row("BTCUSDT", nextFundingTime=time))).records[0]
    assert record.next_funding_time == kept


@pytest.mark.parametrize(
    ("fraction", "percent"),
    [("0.0124", 1.24), ("-0.002845", -0.2845), ("0.0029", 0.29), ("1e-7", 1e-05), ("0", 0.0), ("", None)],
)
def test_fractions_are_kept_and_told_as_percent_without_rounding_noise(read, fraction, percent):
    record = read(Bybit("linear"), v5(row("BTCUSDT", price24hPcnt=fraction))).records[0]
    assert record.change_24h == percent
    assert record.price_24h_pcnt == (float(fraction) if fraction else None)


@pytest.mark.parametrize("price", ["", "0", "0.00", "-1", None, "NaN", "x"])
def test_a_row_without_a_usable_price_is_rejected_alone(read, reasons, price):
    poll = read(Bybit("linear"), v5(row("BTCUSDT"), row("X", price)))
    assert (len(poll.records), reasons(poll)) == (1, [("no_price", "X")])


def test_bad_rows_and_bad_ids_are_rejected_alone(read, reasons):
    poll = read(Bybit("linear"), v5(row("BTCUSDT"), 7, row(""), row("A B"), row("BTCUSDT", "2")))
    assert [record.price for record in poll.records] == [1.5]
    assert reasons(poll) == [("bad_row", ""), ("bad_row", ""), ("bad_id", "A B"), ("duplicate", "BTCUSDT")]


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        (1677515084284, "2023-02-27T16:24:44.284Z"),
        ("1677515084284", "2023-02-27T16:24:44.284Z"),
        ("soon", None),
        (None, None),
        (True, None),
        (-1, None),
        (10**30, None),
        ({}, None),
    ],
)
def test_the_time_of_the_answer(read, time, kept):
    assert read(Bybit("linear"), v5(row("BTCUSDT"), time=time)).records[0].last_updated == kept


def test_the_old_shape_mixes_markets_and_each_source_keeps_its_own(read, reasons):
    body = b'{"ret_code":0,"result":[{"symbol":"BTCUSD","last_price":"1"},{"symbol":"BTCUSDT","last_price":"2"}]}'
    inverse, linear = read(Bybit("inverse", api="v2"), body), read(Bybit("linear", api="v2"), body)
    assert ([r.asset_id for r in inverse.records], reasons(inverse)) == (["BTCUSD"], [("other_market", "BTCUSDT")])
    assert ([r.asset_id for r in linear.records], reasons(linear)) == (["BTCUSDT"], [("other_market", "BTCUSD")])


def test_another_market_in_the_answer_is_not_read_as_ours(read):
    with pytest.raises(TransientError, match="'spot', not linear"):
        read(Bybit("linear"), v5(row("BTCUSDT"), category="spot"))


def test_nothing_of_ours_in_the_answer_is_no_success(read):
    with pytest.raises(TransientError, match="bybit-linear answered with no rows"):
        read(Bybit("linear"), v5())
    with pytest.raises(TransientError, match=r"none of BYBIT_SYMBOLS \(A, B\)"):
        read(Bybit("linear", symbols=["A", "B"]), v5(row("BTCUSDT")))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"[",
        b"{}",
        b'{"retCode":0,"result":{}}',
        b'{"retCode":0,"result":null}',
        b'{"result":{"list":7}}',
        b'{"result":{"list":[1]}}',
        b"[7]",
        b"access too frequent",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_bybits_is_transient(read, garbage):
    with pytest.raises(TransientError, match="not what bybit speaks"):
        read(Bybit("linear"), garbage)


@pytest.mark.parametrize("market", ["linear", "inverse", "spot"])
def test_each_market_is_a_source_of_its_own(market):
    source = Bybit(market)
    (call,) = source.calls()
    assert (source.feed.name, source.upstream) == (f"bybit-{market}", "bybit")
    assert (call.url, call.params) == ("https://api.bybit.com/v5/market/tickers", {"category": market})
    assert (call.cost, call.headers) == (1, {})


def test_one_symbol_is_asked_for_by_name_of_several_the_market(read):
    assert Bybit("spot", symbols=["btcusdt"]).calls()[0].params == {"category": "spot", "symbol": "BTCUSDT"}
    source = Bybit("linear", symbols=["BTCUSDT", "ETHUSDT"])
    assert source.calls()[0].params == {"category": "linear"}
    poll = read(source, v5(row("BTCUSDT"), row("XRPUSDT"), row("ETHUSDT")))
    assert ([r.asset_id for r in poll.records], poll.rejected) == (["BTCUSDT", "ETHUSDT"], [])


def test_the_old_api_has_its_own_path_and_no_spot():
    (call,) = Bybit("inverse", base_url="http://localhost:2/", api="v2").calls()
    assert (call.url, call.params) == ("http://localhost:2/v2/public/tickers", {})
    with pytest.raises(SettingsError, match="v2"):
        Bybit("spot", api="v2")


def test_a_symbol_that_no_exchange_can_have_is_refused():
    with pytest.raises(SettingsError, match="BYBIT_SYMBOLS"):
        Bybit("spot", symbols=["BTC/USDT"])


def instruments(cursor: str, *pairs: tuple[str, str]) -> bytes:
    rows = [{"symbol": symbol, "quoteCoin": quote, "status": "Trading"} for symbol, quote in pairs]
    return msgspec.json.encode({"retCode": 0, "result": {"list": rows, "nextPageCursor": cursor}})


def test_the_list_of_symbols_is_followed_page_by_page(read):
    source = Bybit("linear")
    symbols = source.symbol_list
    pages = [instruments("first%3DA%26last%3DB", ("DOTUSD", "USD")), instruments("", ("BTC-26MAR26", "USDT"))]
    first = symbols.next_call(None)
    assert first.url == "https://api.bybit.com/v5/market/instruments-info"
    assert first.params == {"category": "linear", "limit": "1000"}
    second = symbols.next_call(pages[0])
    assert second.params == {"category": "linear", "limit": "1000", "cursor": "first%3DA%26last%3DB"}
    assert symbols.next_call(pages[1]) is None
    assert symbols.load(pages) == 2
    assert read(source, v5(row("BTC-26MAR26"))).records[0].quote == "USDT"


def test_the_list_of_spot_knows_no_pages():
    assert Bybit("spot").symbol_list.next_call(None).params == {"category": "spot"}


def test_a_cursor_that_never_ends_is_a_fault():
    symbols = Bybit("linear").symbol_list
    page = instruments("again", ("BTCUSDT", "USDT"))
    symbols.next_call(None)
    for _ in range(49):
        assert symbols.next_call(page) is not None
    with pytest.raises(TransientError, match="does not end"):
        symbols.next_call(page)


def test_the_old_list_of_symbols(recorded):
    symbols = Bybit("inverse", api="v2").symbol_list
    assert symbols.next_call(None).url == "https://api.bybit.com/v2/public/symbols"
    body = recorded("bybit_v2_symbols")
    assert symbols.next_call(body) is None
    assert symbols.load([body]) == 4


@pytest.mark.parametrize("garbage", [b"", b"[]", b"{}", b'{"result":{}}', b'{"result":{"list":[]}}'])
def test_what_is_no_list_of_symbols_changes_nothing(garbage):
    with pytest.raises(TransientError):
        Bybit("linear").symbol_list.load([garbage])


def test_a_named_symbol_that_is_delisted_is_told(read, reasons):
    poll = read(Bybit("linear", symbols=["btcusdt", "MATICUSDT"]), v5(row("BTCUSDT"), row("POLUSDT")))
    assert ([r.asset_id for r in poll.records], reasons(poll)) == (["BTCUSDT"], [("absent", "MATICUSDT")])


def test_a_named_symbol_is_absent_when_no_market_that_is_polled_has_it(read, reasons):
    names = NamedSymbols(["BTCUSDT", "BTCUSD", "GONE"], ["linear", "inverse"])
    linear, inverse = Bybit("linear", names=names), Bybit("inverse", names=names)
    assert reasons(read(linear, v5(row("BTCUSDT")))) == [], "the other market was not asked yet"
    inverse_rows = v5(row("BTCUSD"), category="inverse")
    assert reasons(read(inverse, inverse_rows)) == [("absent", "GONE")]
    assert reasons(read(linear, v5(row("BTCUSDT")))) == [("absent", "GONE")]


def test_bad_rows_of_symbols_that_nobody_named_are_no_loss(read, reasons):
    body = v5(row("BTCUSDT"), row("ODDUSDT", "1"), row("MINEUSDT", "1")).replace(b'"1"', b"NaN")
    assert reasons(read(Bybit("linear", symbols=["BTCUSDT", "MINEUSDT"]), body)) == [("bad_row", "MINEUSDT")]


def test_a_market_without_a_single_price_is_no_success(read):
    with pytest.raises(TransientError, match="bybit-linear answered without a single record: 2 no_price"):
        read(Bybit("linear"), v5(row("BTCUSDT", ""), row("ETHUSDT", "")))


@pytest.mark.parametrize("market", ["linear", "spot"])
def test_no_market_of_bybit_guesses_a_quote(market, read, reasons):
    source = Bybit(market)
    rows = v5(row("DOTUSD"), row("BTCUSDT"), category=market)
    assert reasons(read(source, rows)) == [("no_quote", "DOTUSD")]
    source.symbol_list.quotes.settle({"DOTUSD"})
    assert [record.quote for record in read(source, rows).records] == ["UNKNOWN", "USDT"]
