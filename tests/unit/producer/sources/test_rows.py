"""The fast way and the tolerant way through an array give the same rows, and no row makes a record that breaks."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptoproxy.common.errors import TransientError
from cryptoproxy.common.record import decode, encode
from cryptoproxy.producer.sources import bybit_shapes
from cryptoproxy.producer.sources.binance import Binance, TickerRow
from cryptoproxy.producer.sources.bybit import Bybit
from cryptoproxy.producer.sources.bybit_shapes import V2Row, V5Row, _open_slowly, open_tickers
from cryptoproxy.producer.sources.coingecko import CoinGecko, MarketRow
from cryptoproxy.producer.sources.rows import RowReader

# A busy machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

SLOT_MS = 1_763_632_800_000
KINDS = [(MarketRow, False), (TickerRow, False), (V5Row, True), (V2Row, True)]

finite = st.floats(allow_nan=False, allow_infinity=False)
good_numbers = st.one_of(
    finite,
    finite.map(repr),
    st.integers(-(10**20), 10**20),
    st.decimals(-(10**12), 10**12, places=8).map(str),
    st.none(),
)
odd = st.one_of(
    st.sampled_from(["", "NaN", "inf", "-Infinity", "1e999", "null", "abc", " 1", "1_0", "0", True, [], {}]),
    st.integers(2**62, 2**70),
    st.text(max_size=5),
)


def value_for(field: msgspec.structs.FieldInfo, *, oddities: bool) -> st.SearchStrategy[object]:
    kind = str(field.type)
    good: st.SearchStrategy[object] = st.none()
    if "float" in kind:
        good = good_numbers
    elif "int" in kind and "str" not in kind:
        largest = 2**31 - 1 if str(2**31 - 1) in kind else 2**63 - 1
        good = st.one_of(st.integers(0, largest), st.integers(0, min(largest, 10**13)).map(str), st.none())
    else:
        good = st.text(min_size=1, max_size=12)
    return st.one_of(good, good, odd) if oddities else good


def rows_of(row: type[msgspec.Struct], *, oddities: bool) -> st.SearchStrategy[list[object]]:
    fields = msgspec.structs.fields(row)
    needed = {f.encode_name: value_for(f, oddities=oddities) for f in fields if f.required}
    optional = {f.encode_name: value_for(f, oddities=oddities) for f in fields if not f.required}
    some = st.fixed_dictionaries(needed, optional={**optional, "unknown": st.text(max_size=3)})
    return st.lists(st.one_of(some, odd) if oddities else some, max_size=5)


@pytest.mark.parametrize(("row", "empty_is_null"), KINDS)
@patient
@given(data=st.data())
def test_both_ways_agree_on_good_rows(row, empty_is_null, data):
    reader = RowReader("somebody", row, empty_is_null=empty_is_null)
    rows = data.draw(rows_of(row, oddities=False))
    for body in (json.dumps(rows).encode(), msgspec.json.encode(rows)):
        found, rejected = reader.read(body)
        assert (found, rejected) == reader.read_each(body)
        assert len(found) == len(rows)
        assert found == msgspec.json.decode(body, type=list[row], strict=False)


@pytest.mark.parametrize(("row", "empty_is_null"), KINDS)
@patient
@given(data=st.data())
def test_an_odd_row_changes_none_of_its_neighbours(row, empty_is_null, data):
    reader = RowReader("somebody", row, empty_is_null=empty_is_null)
    rows = data.draw(rows_of(row, oddities=True))
    try:
        found, rejected = reader.read(json.dumps(rows).encode())
    except TransientError:
        found, rejected = [], [None] * len(rows)
    assert len(found) + len(rejected) == len(rows)
    one_by_one = []
    for one in rows:
        try:
            one_by_one += reader.read(json.dumps([one]).encode())[0]
        except TransientError:
            continue
    assert found == one_by_one


@pytest.mark.parametrize(
    ("source", "row", "wrap"),
    [
        (CoinGecko(top_n=250), MarketRow, b"%s"),
        (Binance(symbols=()), TickerRow, b"%s"),
        (Bybit("linear"), V5Row, b'{"retCode":0,"result":{"list":%s},"time":1677515084284}'),
        (Bybit("inverse"), V2Row, b'{"ret_code":0,"result":%s,"time_now":"1672324738.823984"}'),
    ],
)
@patient
@given(data=st.data())
def test_whatever_the_rows_every_record_keeps_the_contract(source, row, wrap, data):
    body = wrap % json.dumps(data.draw(rows_of(row, oddities=True))).encode()
    try:
        poll = source.read([body], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 5)
    except TransientError:
        return
    for record in poll.records:
        assert decode(encode(record), now_ms=SLOT_MS) == record


@pytest.mark.parametrize("oddities", [False, True])
@patient
@given(data=st.data())
def test_an_answer_of_bybits_is_the_same_decoded_whole_and_the_long_way(oddities, data):
    answer = {
        "retCode": 0,
        "result": {
            "category": data.draw(st.sampled_from(["linear", "spot"])),
            "list": data.draw(rows_of(V5Row, oddities=oddities)),
        },
        "time": data.draw(
            st.sampled_from([1677515084284, "1677515084284", 1677515084284.0, 0, -1, "", "soon", 10**30])
        ),
    }
    for body in (json.dumps(answer).encode(), json.dumps(answer, separators=(",", ":")).encode()):
        assert opened(open_tickers, body) == opened(_open_slowly, body)


def opened(way, body):
    """What is in an answer. That something is not there is an empty text or None, by the way it was read."""
    try:
        tickers = way(body)
    except TransientError:
        return None
    for row in tickers.rows:
        for name in ("funding_rate", "next_funding_time", "delivery_time"):
            if getattr(row, name) == "":
                setattr(row, name, None)
    return tickers


def test_a_market_of_today_is_decoded_whole(monkeypatch):
    monkeypatch.delattr(bybit_shapes, "_open_slowly")
    body = (
        b'{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"BTC-26MAR27","lastPrice":"95000",'
        b'"fundingRate":"","nextFundingTime":"0","predictedDeliveryPrice":"","basis":"1.5","deliveryTime":"1774512000000"'
        b'},{"symbol":"BTCUSDT","lastPrice":"95000.1","fundingRate":"0.0001","basis":""}]},"time":1795287500000}'
    )
    poll = Bybit("linear").read([body], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 5)
    assert [(r.asset_id, r.price, r.funding_rate) for r in poll.records] == [
        ("BTC-26MAR27", 95000.0, None),
        ("BTCUSDT", 95000.1, 0.0001),
    ]


@patient
@given(number=st.one_of(finite.map(repr), st.decimals(allow_nan=False, allow_infinity=False).map(str)))
def test_a_number_is_the_nearest_double_as_text_and_as_json(number):
    expected = float(number)
    reader = RowReader("somebody", TickerRow)
    for written in (f'"{number}"', number):
        body = f'[{{"symbol":"X","lastPrice":{written}}}]'.encode()
        (row,), _ = reader.read(body)
        assert row.last_price == (expected if abs(expected) < float("inf") else None)


def test_an_empty_text_is_null_only_as_a_value():
    reader = RowReader("bybit", V5Row, empty_is_null=True)
    (row,), _ = reader.read(rb'[{"symbol":"a\":\"\"","lastPrice":"","nextFundingTime": ""}]')
    assert (row.symbol, row.last_price, row.next_funding_time) == ('a":""', None, None)


def test_empty_texts_do_not_leave_the_fast_way(monkeypatch):
    monkeypatch.delattr(RowReader, "read_each")
    body = b'[{"symbol":"A","lastPrice":"","nextFundingTime":"","deliveryTime":"0","fundingRate":"0.0001"}]'
    (row,), _ = RowReader("bybit", V5Row, empty_is_null=True).read(body)
    assert (row.last_price, row.next_funding_time, row.funding_rate) == (None, None, 0.0001)


def test_a_field_given_twice_is_the_last_one_in_both_ways():
    reader = RowReader("somebody", TickerRow)
    body = b'[{"symbol":"A","symbol":"B","lastPrice":1,"lastPrice":2}]'
    assert reader.read(body) == reader.read_each(body)
    assert reader.read(body)[0][0].symbol == "B"
