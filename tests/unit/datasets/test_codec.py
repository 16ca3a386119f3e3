"""What goes through the bytes comes back the same, and what breaks the contract does not pass either way."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import MAX_RECORD_BYTES, TICKER, Ticker, decode, encode, from_iso, iso
from cryptoproxy.datasets.codec import MAX_DEPTH, _check_foreign, _is_only_spelled_otherwise
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.errors import PoisonError
from tests.unit.datasets.records import COUNTS, EXAMPLE, FLOATS, INTEGERS, NOW_MS, TEXTS, line, records, required

REASONS = {"empty", "too_large", "not_utf8", "not_json", "contract"}
LONG = 2**63
NOT_FINITE = [math.nan, math.inf, -math.inf]
OPTIONAL = [name for name in Ticker.__struct_fields__ if name not in required]


def record(**changes: Any) -> Ticker:
    return Ticker(**{**EXAMPLE, **changes})


def refused(value: bytes | None) -> PoisonError:
    with pytest.raises(PoisonError) as caught:
        decode(value, now_ms=NOW_MS)
    assert caught.value.reason in REASONS
    return caught.value


def refusal_of(reason: str, value: bytes | None, *said: str) -> None:
    error = refused(value)
    assert error.reason == reason
    for word in said:
        assert word in str(error)


def test_every_field_is_a_number_a_count_or_a_text() -> None:
    assert sorted(FLOATS + INTEGERS + TEXTS) == sorted(Ticker.__struct_fields__)


@settings(deadline=None)
@given(records)
def test_a_record_comes_back_from_its_bytes_as_it_was(each: Ticker) -> None:
    value = encode(each)
    assert decode(value, now_ms=NOW_MS) == each
    assert encode(decode(value, now_ms=NOW_MS)) == value


@settings(deadline=None)
@given(records)
def test_the_bytes_are_one_line_of_strict_json_without_null(each: Ticker) -> None:
    value = encode(each)
    assert b"\n" not in value
    found = json.loads(value, parse_constant=pytest.fail)
    assert None not in found.values()
    assert found == {name: got for name in Ticker.__struct_fields__ if (got := getattr(each, name)) is not None}


@settings(deadline=None)
@given(st.fixed_dictionaries({name: st.floats() for name in FLOATS}), st.integers() | st.none())
def test_what_is_encoded_is_what_readers_take(numbers: dict[str, float], count: int | None) -> None:
    each = record(**numbers, trades_24h=count)
    try:
        value = encode(each)
    except PoisonError:
        assert not (all(map(math.isfinite, numbers.values())) and numbers["price"] > 0 and -LONG <= (count or 0) < LONG)
    else:
        assert decode(value, now_ms=NOW_MS) == each


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("field", FLOATS)
def test_no_nan_or_infinity_is_written(field: str, number: float) -> None:
    with pytest.raises(PoisonError, match=f"{field} is {number}") as caught:
        encode(record(**{field: number}))
    assert caught.value.reason == "contract"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", f"1{'0' * 400}"])
@pytest.mark.parametrize("field", [*FLOATS, *INTEGERS, "newer_field"])
def test_no_nan_or_infinity_is_read(field: str, number: str) -> None:
    refused(line(**{field: 1}).replace(f'"{field}":1'.encode(), f'"{field}":{number}'.encode()))


@pytest.mark.parametrize("count", [LONG, -LONG - 1, 10**30])
@pytest.mark.parametrize("field", COUNTS)
def test_a_count_fits_into_the_index(field: str, count: int) -> None:
    refusal_of("contract", line(**{field: count}), field, "bits")
    with pytest.raises(PoisonError, match=field):
        encode(record(**{field: count}))


@pytest.mark.parametrize("interval_ms", [-(10**30), -60_000, -1, 0, 1, 99, 86_400_001, 10**15, 2**63 - 1, 10**30])
def test_an_interval_that_nobody_polls_at_is_refused_since_means_are_weighed_by_it(interval_ms: int) -> None:
    refusal_of("contract", line(interval_ms=interval_ms), "interval_ms")
    with pytest.raises(PoisonError, match="interval_ms"):
        encode(record(interval_ms=interval_ms))


@pytest.mark.parametrize("interval_ms", [None, 100, 60_000, 86_400_000])
def test_an_interval_that_can_be_set_is_taken(interval_ms: int | None) -> None:
    assert decode(encode(record(interval_ms=interval_ms)), now_ms=NOW_MS).interval_ms == interval_ms


@pytest.mark.parametrize("field", COUNTS)
def test_what_the_index_could_not_hold_is_refused_before_it(field: str) -> None:
    limit = {"integer": 2**31, "long": 2**63}[mapping.properties(TICKER)[field]["type"]]
    for count in (limit - 1, -limit):
        assert getattr(decode(line(**{field: count}), now_ms=NOW_MS), field) == count
    for count in (limit, -limit - 1):
        refusal_of("contract", line(**{field: count}), field, f"{limit.bit_length()} bits")


@pytest.mark.parametrize("value", ["1.5", "1", "", True, False, [], [1], {}, "NaN"])
@pytest.mark.parametrize("field", FLOATS + INTEGERS)
def test_a_number_is_a_number_and_not_a_text_or_a_truth(field: str, value: object) -> None:
    refusal_of("contract", line(**{field: value}), field)
    with pytest.raises(PoisonError) as caught:
        encode(record(**{field: value}))
    assert caught.value.reason == "contract"


@pytest.mark.parametrize("value", [1, 1.5, True, [], {}])
@pytest.mark.parametrize("field", TEXTS)
def test_a_text_is_a_text(field: str, value: object) -> None:
    refusal_of("contract", line(**{field: value}), field)


@pytest.mark.parametrize("field", required)
def test_what_every_record_has_may_not_be_missing(field: str) -> None:
    refusal_of("contract", line(**{field: ...}), field)
    refusal_of("contract", line(**{field: None}), field)


@pytest.mark.parametrize("field", OPTIONAL)
def test_what_is_optional_may_be_null_or_missing(field: str) -> None:
    assert getattr(decode(line(**{field: None}), now_ms=NOW_MS), field) is None
    assert getattr(decode(line(**{field: ...}), now_ms=NOW_MS), field) is None


@pytest.mark.parametrize("price", [0, -1, 0.0, -0.0, -1e-300])
def test_a_price_is_above_zero(price: float) -> None:
    refusal_of("contract", line(price=price), "price")
    with pytest.raises(PoisonError):
        encode(record(price=price))


@pytest.mark.parametrize("value", [None, b""])
def test_nothing_is_no_record(value: bytes | None) -> None:
    refusal_of("empty", value)


@pytest.mark.parametrize("value", [b"\xff", line(name="Zür").replace("ü".encode(), b"\xfc"), line(newer="\xe9")[:-3]])
def test_what_is_not_utf_8_is_no_record(value: bytes) -> None:
    assert refused(value).reason in ("not_utf8", "not_json")


@pytest.mark.parametrize("field", ["name", "newer_field"])
def test_not_utf_8_is_found_in_every_field(field: str) -> None:
    refusal_of("not_utf8", line(**{field: "?"}).replace(b'"?"', b'"\xff"'))


@pytest.mark.parametrize(
    "value",
    [
        b"\xef\xbb\xbf" + line(),  # a byte-order mark
        line()[:-1],
        line() + b"x",
        line() + line(),
        b"nonsense",
        b"\x00" + line(),
        line(name="\x01").replace(b"\\u0001", b"\x01"),
        line(name="x").replace(b'"x"', rb'"\ud800"'),
        line(newer="x").replace(b'"x"', rb'"\x00"'),
        line().decode().encode("utf-16-le"),
    ],
)
def test_what_is_not_json_is_no_record(value: bytes) -> None:
    refusal_of("not_json", value)


@pytest.mark.parametrize("value", [b"[]", b"7", b'"text"', b"null", b"true", b"[" + line() + b"]", b"{}"])
def test_other_json_is_no_record(value: bytes) -> None:
    refusal_of("contract", value)


@pytest.mark.parametrize("value", [line() + b"\n", b"\n" + line(), line().replace(b",", b",\n", 1)])
def test_a_line_break_between_fields_would_make_two_lines_of_the_lake(value: bytes) -> None:
    refusal_of("contract", value, "line")


def test_a_line_break_within_a_text_is_escaped() -> None:
    value = encode(record(name="two\nlines"))
    assert b"\n" not in value
    assert decode(value, now_ms=NOW_MS).name == "two\nlines"


@pytest.mark.parametrize("again", [b'"price":92133.5', b'"price":1', b'"source":"binance"', b'"newer":1,"newer":2'])
def test_a_field_that_is_there_twice_means_something_else_to_each_reader(again: bytes) -> None:
    refusal_of("contract", line()[:-1] + b"," + again + b"}", again.split(b'"')[1].decode(), "twice")


def test_a_field_twice_within_an_unknown_one_is_refused_by_elasticsearch_too() -> None:
    refusal_of("contract", line()[:-1] + b',"newer":[{"a":1,"b":{"c":1,"c":1}}]}', "'c'", "twice")


@pytest.mark.parametrize("deep", [2_000, 30_000])
@pytest.mark.parametrize("brackets", [b"[]", b'{"a":}'])
def test_deep_nesting_does_not_overflow_the_stack(brackets: bytes, deep: int) -> None:
    opening, closing = brackets[:-1], brackets[-1:]
    deep = min(deep, MAX_RECORD_BYTES // len(brackets) - 500)
    inner = opening * deep + b"1" + closing * deep
    refusal_of("not_json", line()[:-1] + b',"newer":' + inner + b"}", "nested")


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_an_unknown_value_has_at_most_so_many_levels(brackets: str) -> None:
    def nested(deep: int) -> bytes:
        return line(newer=0).replace(b'"newer":0', f'"newer":{brackets[:-1] * deep}1{brackets[-1] * deep}'.encode())

    assert decode(nested(MAX_DEPTH)) == record()
    refusal_of("not_json", nested(MAX_DEPTH + 1), "nested")
    assert decode(line(newer=[[1], {"a": 1}] * 600)) == record()


def test_a_number_that_elasticsearch_would_not_read_is_refused() -> None:
    assert decode(line(newer=0).replace(b'"newer":0', b'"newer":0.' + b"0" * 997 + b"1")) == record()
    refusal_of("contract", line(newer=0).replace(b'"newer":0', b'"newer":0.' + b"0" * 998 + b"1"), "range")


def test_a_record_may_have_64_kib_and_no_byte_more() -> None:
    fitting = record(name="x" * (MAX_RECORD_BYTES - len(encode(record(name="")))))
    value = encode(fitting)
    assert len(value) == MAX_RECORD_BYTES
    assert decode(value, now_ms=NOW_MS) == fitting
    refusal_of("too_large", value[:-1] + b" }", "65537")
    with pytest.raises(PoisonError, match="65537") as caught:
        encode(record(name=fitting.name + "x"))
    assert caught.value.reason == "too_large"


def test_the_slot_lies_between_2009_and_ten_minutes_ahead() -> None:
    for text in ("2009-01-01T00:00:00.000Z", iso(NOW_MS + 600_000)):
        assert decode(line(timestamp=text), now_ms=NOW_MS).timestamp == text
    refusal_of("contract", line(timestamp="2008-12-31T23:59:59.999Z"), "2009", "2008-12-31")
    refusal_of("contract", line(timestamp=iso(NOW_MS + 600_001)), "10 minutes")
    assert decode(line(timestamp=iso(NOW_MS + 600_001))).timestamp == iso(NOW_MS + 600_001)
    refusal_of("contract", line(timestamp=iso(NOW_MS + 11 * 60_000)), "10 minutes")
    with pytest.raises(PoisonError, match="2009"):
        encode(record(timestamp="2008-12-31T23:59:59.999Z"))


@pytest.mark.parametrize(
    "text",
    [
        "2026-W47-5T10:00:00.000Z",
        "2026W475T100000.00000000Z",
        "20261120T100000.0000000Z",
        "2026-11-20T10:00:00.000+00:00",
        "2026-11-20T10:00:00,000Z",
        "2026-11-20 10:00:00.000Z",
        "2026-11-20t10:00:00.000z",
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00.000000Z",
        "2026-11-20T24:00:00.000Z",
        "2026-02-30T10:00:00.000Z",
        "2026-11-20T10:00:60.000Z",
        "２０２６-11-20T10:00:00.000Z",
        "1795168800000",
        "",
    ],
)
@pytest.mark.parametrize("field", ["timestamp", "fetched_at", "last_updated"])
def test_a_time_has_one_spelling(field: str, text: str) -> None:
    refusal_of("contract", line(**{field: text}), field)
    with pytest.raises(PoisonError, match=field):
        encode(record(**{field: text}))


@pytest.mark.parametrize("text", ["", "a:b", "a/b", "a b", "a\tb", "a\n", "\u2003", "x" * 129, "€" * 200])
def test_an_asset_has_an_id_that_fits_into_names(text: str) -> None:
    refusal_of("contract", line(asset_id=text), "asset_id")
    with pytest.raises(PoisonError, match="asset_id"):
        encode(record(asset_id=text))


def test_an_id_of_few_letters_may_still_have_too_many_bytes() -> None:
    refusal_of("contract", line(asset_id="😀" * 128), "512 bytes")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("source", "Binance"),
        ("source", "-x"),
        ("source", "a b"),
        ("source", "x" * 33),
        ("quote", "U:SD"),
        ("quote", ""),
    ],
)
def test_source_and_quote_fit_into_names(field: str, text: str) -> None:
    refusal_of("contract", line(**{field: text}), field)
    with pytest.raises(PoisonError, match=field):
        encode(record(**{field: text}))


@pytest.mark.parametrize("field", ["asset_id", "name", "symbol", "delivery_time"])
def test_half_a_surrogate_pair_is_refused_and_does_not_end_the_poll(field: str) -> None:
    with pytest.raises(PoisonError) as caught:
        encode(record(**{field: "\ud800"}))
    assert caught.value.reason == "not_utf8"


def test_an_empty_symbol_is_refused_by_writer_and_reader() -> None:
    refusal_of("contract", line(symbol=""), "symbol")
    with pytest.raises(PoisonError, match="symbol"):
        encode(record(symbol=""))


@pytest.mark.parametrize("newer", [1, "text", None, [1, {"a": None}], {"deep": {"er": [1.5]}}, "ünïcode"])
def test_an_unknown_field_is_kept_in_the_bytes_and_ignored(newer: object) -> None:
    assert decode(line(newer_field=newer), now_ms=NOW_MS) == decode(line(), now_ms=NOW_MS)


@pytest.mark.parametrize(
    "name",
    [
        "_doc_count",
        "_doc_count.",
        "price.",
        "price..",
        "price.x",
        "x.price",
        "a.symbol.b",
        "symbol.keyword",
        "",
        " ",
        ".",
        "a..b",
        ".a",
    ],
)
@pytest.mark.parametrize("content", [1000, "x", None, [1], {"a": 1}])
def test_a_name_that_means_something_to_elasticsearch_is_refused(name: str, content: object) -> None:
    refusal_of("contract", line(**{name: content}), "would mean something")


@pytest.mark.parametrize(
    "name",
    [
        "newer",
        "_newer",
        "Price",
        "price ",
        "price_",
        "@timestamp",
        "*",
        "a b",
        "a.b",
        "a.",
        "x.prices",
        "x" * 1000,
        "☃",
    ],
)
@pytest.mark.parametrize("content", [1.5, "x", None, [1, [2]], {"_id": 1, "a..b": 2, "": 3, "price": 4, "price.": 5}])
def test_every_other_name_is_kept_and_ignored(name: str, content: object) -> None:
    assert decode(line(**{name: content})) == record()


def test_another_order_and_blanks_change_nothing() -> None:
    turned = json.dumps(dict(reversed(EXAMPLE.items())), indent=None).encode()
    assert decode(turned, now_ms=NOW_MS) == record()


@settings(deadline=None, max_examples=300)
@given(records, st.data())
def test_a_foreign_record_is_passed_at_a_glance_only_where_a_whole_look_finds_nothing(
    each: Ticker, data: st.DataObject
) -> None:
    members = list(msgspec.json.decode(encode(each)).items())
    spelled = [json.dumps({name: found}, ensure_ascii=False)[1:-1].encode() for name, found in members]
    for more in data.draw(st.lists(st.sampled_from(FOREIGN), max_size=2)):
        spelled.insert(data.draw(st.integers(0, len(spelled))), more)
    value = b"{" + data.draw(st.sampled_from([b",", b" , "])).join(data.draw(st.permutations(spelled))) + b"}"
    try:
        ours = msgspec.json.encode(msgspec.json.decode(value, type=Ticker))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if _is_only_spelled_otherwise(value, ours):
        _check_foreign(value, frozenset(Ticker.__struct_fields__))


FOREIGN = [
    b'"price":1', b'"price" : 2', b'"market_cap":null', b'"last_updated":"2026-11-20T09:59:47.118Z"', b'"newer":1',
    b'"newer":1e400', b'"newer":[]', b'"newer":{"a":1,"a":2}', b'"":0', b'"price.":1', b'"_doc_count":3',
    b'"\\u0070rice":5', b'"low_24h":0.' + b"0" * 999 + b"1", b'"newer":"\xff"', b'"newer":' + b"[" * 501 + b"]" * 501,
]  # fmt: skip


@settings(deadline=None)
@given(records)
def test_the_fields_in_another_order_or_with_blanks_are_seen_at_a_glance(each: Ticker) -> None:
    value = encode(each)
    if b"\\" in value or len(value) > 900:
        return
    turned = dict(reversed(msgspec.json.decode(value).items()))
    for separators in ((",", ":"), (", ", ": ")):
        assert _is_only_spelled_otherwise(json.dumps(turned, ensure_ascii=False, separators=separators).encode(), value)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_whatever_comes_is_a_record_or_poison(value: bytes) -> None:
    refused(value)


@settings(deadline=None, max_examples=500)
@given(records, st.data())
def test_a_damaged_record_is_a_record_or_poison(each: Ticker, data: st.DataObject) -> None:
    value = encode(each)
    begin = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(begin, min(len(value), begin + 8)))
    damaged = value[:begin] + data.draw(st.binary(max_size=8)) + value[end:]
    try:
        found = decode(damaged, now_ms=NOW_MS)
    except PoisonError:
        assert len(str(refused(damaged))) < 2_000
    else:
        assert all(math.isfinite(getattr(found, name) or 0) for name in FLOATS)
        assert from_iso(found.timestamp) <= NOW_MS + 600_000


def test_a_refusal_names_field_and_value_and_stays_short() -> None:
    assert "price" in str(refused(line(price="dear")))
    assert "'dear'" in str(refused(line(price="dear")))
    assert len(str(refused(line(price="x" * 60_000)))) < 500
    assert len(str(refused(b"x" * 60_000))) < 500


def test_numbers_are_the_nearest_doubles() -> None:
    for number in (0.1, 1e-320, 5e-324, 1.7976931348623157e308, 92133.123456789, 1e22, 123456789012345680.0):
        value = encode(record(price=number))
        assert msgspec.json.decode(value)["price"] == number
        assert decode(value, now_ms=NOW_MS).price == number
