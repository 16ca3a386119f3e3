"""The fast way and the tolerant way through an array give the same rows, and no row makes a record that breaks."""

from __future__ import annotations

import json
from functools import partial

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import decode, encode
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.rows import RowReader
from cryptoproxy.upstreams.base import IncompleteError
from cryptoproxy.upstreams.binance.tickers import Binance, TickerRow
from cryptoproxy.upstreams.bybit import shapes
from cryptoproxy.upstreams.bybit.shapes import V2Row, V5Row, _open_slowly, open_tickers
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko, MarketRow

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
    found, rejected = reader.read(json.dumps(rows).encode())
    assert len(found) + len(rejected) == len(rows)
    assert found == [row for one in rows for row in reader.read(json.dumps([one]).encode())[0]]


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
        poll = read_twice(source, body)
    except TransientError:
        return
    for record in poll.records:
        assert decode(encode(record), now_ms=SLOT_MS) == record


def read_twice(source, body):
    """A page that is short is believed the second time."""
    try:
        return source.read([body], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 5)
    except IncompleteError:
        return source.read([body], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 5)


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
    monkeypatch.delattr(shapes, "_open_slowly")
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


NO_JSON = {
    "half an emoji": rb'"\ud83d"',
    "the other half": rb'"x\ude00"',
    "half an emoji at a text's end": rb'"\ud83d\u0041"',
    "invalid UTF-8": b'"\xff\xfe"',
    "a surrogate in UTF-8": b'"\xed\xa0\xbd"',
    "NaN": b"NaN",
    "nan": b"nan",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "a bare word": b"undefined",
    "a leading zero": b"007",
    "a plus": b"+1",
    "hexadecimal": b"0x1F",
    "a control character": b'"\x00\n"',
    "an unknown escape": rb'"\x41"',
    "nothing": b"",
    "nested too deeply": b"[" * 5000 + b"]" * 5000,
    "two quotes too many": b'"the "big" one"',
}
UNBALANCED = {
    "a list that is cut": b"[1,2",
    "a list with an end too many": b"[1,2]]",
    "a quote too many": b'"5" pipe"',
}
SHAPES = {
    "coingecko": (partial(CoinGecko, top_n=4), "id", "current_price", b"[%s]"),
    "binance": (partial(Binance, symbols=()), "symbol", "lastPrice", b"[%s]"),
    "bybit v5": (partial(Bybit, "linear"), "symbol", "lastPrice", b'{"retCode":0,"result":{"category":"linear","list":[%s]},"time":1677515084284}'),
    "bybit v2": (partial(Bybit, "linear"), "symbol", "last_price", b'{"ret_code":0,"result":[%s],"time_now":"1672324738.8"}'),
}  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "odd"),
    [(shape, odd) for shape in SHAPES for odd in NO_JSON | UNBALANCED],
)
@pytest.mark.parametrize("column", ["price", "unread"])
@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_row_that_is_no_json_costs_that_row_and_is_named(shape, column, place, odd):
    make, key, price, around = SHAPES[shape]
    rows = [f'{{"{key}":"C{number}USDT","{price}":"1.5","nested":{{"a":[1,{{"b":"],}}"}}]}}}}' for number in range(4)]
    column = price if column == "price" else "unread"
    bad = f'{{"{key}":"ODDUSDT","{price}":"1.5","x":1,"{column}":%s,"y":2}}'.encode() % (NO_JSON | UNBALANCED)[odd]
    rows = [each.encode() for each in rows]
    poll = read_twice(make(), around % b", ".join([*rows[:place], bad, *rows[place + 1 :]]))
    there = [record.asset_id for record in poll.records]
    named = [(row.reason, row.asset_id) for row in poll.rejected]
    kept = [f"C{number}USDT" for number in range(4) if number != place]
    if named:
        assert (there, [name for _, name in named]) == (kept, ["ODDUSDT"])
        assert named[0][0] == ("no_price" if "UTF-8" in odd else "bad_row")
        assert poll.rejected[0].detail
    else:  # text that is not UTF-8 in a column that nobody reads does no harm
        assert column == "unread"
        assert [each for each in there if each != "ODDUSDT"] == kept


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
def test_a_number_beyond_all_doubles_is_none_in_a_column_and_no_price(shape, number):
    make, key, price, around = SHAPES[shape]
    good = f'{{"{key}":"GOODUSDT","{price}":1.5,"unread":{number}}}'
    bad = f'{{"{key}":"BADUSDT","{price}":{number}}}'
    poll = make().read([around % ",".join([good, bad, good.replace("GOOD", "A"), good.replace("GOOD", "B")]).encode()], slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS)  # fmt: skip
    assert [record.asset_id for record in poll.records] == ["GOODUSDT", "AUSDT", "BUSDT"]
    assert [(row.reason, row.asset_id) for row in poll.rejected] == [("no_price", "BADUSDT")]


def test_several_bad_rows_cost_only_themselves():
    no_json = [value for name, value in NO_JSON.items() if "UTF-8" not in name]
    odd = [b'{"symbol":"N%d","lastPrice":%s}' % (number, each) for number, each in enumerate(no_json)]
    good = [b'{"symbol":"G%d","lastPrice":"1"}' % number for number in range(len(odd))]
    rows, rejected = RowReader("binance", TickerRow).read(
        b"[" + b",\n".join(each for pair in zip(good, odd, strict=True) for each in pair) + b"]"
    )
    assert [row.symbol for row in rows] == [f"G{number}" for number in range(len(odd))]
    assert [row.asset_id for row in rejected] == [f"N{number}" for number in range(len(odd))]


@pytest.mark.parametrize("end", [b"", b',{"symbol":"B","lastPr', b',{"symbol":"B"}', b',{"symbol":"B"}]<html>'])
def test_an_answer_with_a_bad_row_that_is_cut_or_goes_on_is_none(end):
    with pytest.raises(TransientError, match="not what binance speaks"):
        RowReader("binance", TickerRow).read(b'[{"symbol":"A","lastPrice":NaN}' + end)


def test_a_row_whose_name_is_odd_is_named_as_far_as_it_can_be_read():
    _, (half, bytes_) = RowReader("binance", TickerRow).read(rb'[{"symbol":"A\ud83d"},{"symbol":"B' + b'\xff"}]')
    assert (half.asset_id, bytes_.asset_id) == ("A\\ud83d", "B\ufffd")


def test_a_list_of_symbols_with_a_bad_row_loses_that_row_alone():
    bybit = b'{"retCode":0,"result":{"list":[{"symbol":"AUSD","quoteCoin":"USD"},{"symbol":"B\\ud83d"}],"nextPageCursor":"2"}}'  # fmt: skip
    old = b'{"ret_code":0,"result":[{"name":"AUSD","quote_currency":"USD"},{"name":"B","x":NaN}]}'
    binance = b'{"rateLimits":[NaN],"symbols":[{"symbol":"AUSD","quoteAsset":"USD"},{"symbol":"B","x":Infinity}]}'
    for source, body in ((Bybit("spot"), bybit), (Bybit("linear", api="v2"), old), (Binance(), binance)):
        symbols = source.symbol_list
        assert symbols.load([body]) == 1
        assert symbols.quotes.of("AUSD") == "USD"
        assert [row.asset_id[:1] for row in symbols.rejected] == ["B"]
    assert Bybit("spot").symbol_list.next_call(bybit).params["cursor"] == "2"


@pytest.mark.parametrize("odd", UNBALANCED.values(), ids=UNBALANCED)
def test_a_row_with_a_quote_or_bracket_too_many_does_not_hide_where_a_list_of_symbols_goes_on(odd):
    bybit = (
        b'{"retCode":0,"result":{"list":[{"symbol":"AUSD","quoteCoin":"USD"},{"symbol":"B","x":%s},'
        b'{"symbol":"CUSD","quoteCoin":"USD"}],"nextPageCursor":"2"},"time":1}'
    ) % odd
    binance = b'{"rateLimits":[],"symbols":[{"symbol":"B","x":%s},{"symbol":"AUSD","quoteAsset":"USD"}]}' % odd
    for source, body, count in ((Bybit("spot"), bybit, 2), (Binance(), binance, 1)):
        symbols = source.symbol_list
        assert symbols.load([body]) == count
        assert symbols.quotes.of("AUSD") == "USD"
        assert [row.asset_id for row in symbols.rejected] == ["B"]
    assert Bybit("spot").symbol_list.next_call(bybit).params["cursor"] == "2"


def test_bybits_answer_with_a_bad_row_that_is_cut_is_none():
    whole = (
        b'{"retCode":0,"result":{"category":"linear","list":[{"symbol":"A","lastPrice":[1},{"symbol":"B"}]},"time":1}'
    )
    for cut in (whole[:-1], whole[:-10], whole[: whole.index(b"]}")], whole + b"<html>"):
        with pytest.raises(TransientError, match="not what bybit speaks"):
            read_twice(Bybit("linear"), cut)
