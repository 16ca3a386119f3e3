"""A record is a row and back without a bit of difference."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import TICKER, Ticker, document_id, encode
from cryptoproxy.datasets.fields import TIME_PATTERN
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.parquet import LINE, MOMENT, Columns
from tests.unit.datasets.records import EXAMPLE, line, records

COLUMNS = Columns(TICKER)
batch, lines, row, SCHEMA = COLUMNS.batch, COLUMNS.lines, COLUMNS.row, COLUMNS.schema


def there_and_back(*written: bytes) -> list[bytes]:
    table = pa.Table.from_batches([batch([row(each) for each in written])])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return [each for *_, each in lines(pq.read_table(pa.BufferReader(sink.getvalue())))]


@settings(deadline=None, max_examples=40)
@given(st.lists(records, min_size=1, max_size=5))
def test_every_record_comes_back_byte_for_byte(each: list[Ticker]) -> None:
    written = [encode(one) for one in each]
    assert there_and_back(*written) == written


@pytest.mark.parametrize(
    "number",
    ["5e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "0.1", "0.30000000000000004", "123456789.12345679"],
)
def test_a_double_keeps_its_bits(number: str) -> None:
    written = encode(Ticker(**EXAMPLE | {"price": float(number), "change_24h": -float(number)}))
    assert there_and_back(written) == [written]


def test_a_zero_keeps_its_sign() -> None:
    written = encode(Ticker(**EXAMPLE | {"change_24h": -0.0, "change_1h": 0.0}))
    assert b"-0.0" in written
    assert there_and_back(written) == [written]


@pytest.mark.parametrize(
    "written",
    [
        line(newer_field={"any": ["thing", 1.50]}),
        line(market_cap=None),
        line(price=92133),  # a whole number where we write 92133.0
        line(name="Bitcoin").replace(b'"name":"Bitcoin"', b'"name":"\\u0042itcoin"'),
        line().replace(b",", b", "),
        line().replace(b'{"source":"coingecko",', b"{")[:-1] + b',"source":"coingecko"}',
    ],
)
def test_a_line_that_is_spelled_otherwise_is_kept_as_it_is(written: bytes) -> None:
    ours = encode(Ticker(**EXAMPLE))
    kept = row(written)[-1]
    assert kept == written.decode()
    assert there_and_back(ours, written, ours) == [ours, written, ours]


def test_our_own_spelling_is_not_kept_twice() -> None:
    assert row(encode(Ticker(**EXAMPLE)))[-1] is None


def test_the_id_is_that_of_the_record() -> None:
    record = Ticker(**EXAMPLE)
    ((identity, *_),) = lines(batch([row(encode(record))]))
    assert identity == document_id(record)


def test_every_field_has_its_column_and_every_time_is_one() -> None:
    assert [field.name for field in SCHEMA] == [*Ticker.__struct_fields__, LINE]
    hints = get_type_hints(Ticker, include_extras=True)
    spelled = {name for name, hint in hints.items() if repr(TIME_PATTERN) in repr(hint)}
    assert spelled == {field.name for field in SCHEMA if field.type == MOMENT}
    optional = {name for name, hint in get_type_hints(Ticker).items() if type(None) in get_args(hint)}
    assert {field.name for field in SCHEMA if field.nullable} == optional | {LINE}


def test_what_breaks_the_contract_is_no_row() -> None:
    with pytest.raises(PoisonError, match="price"):
        row(line(price=-1))


def test_a_column_that_an_older_file_does_not_have_is_null() -> None:
    whole = batch([row(encode(Ticker(**EXAMPLE)))])
    older = whole.drop_columns(["funding_rate", "delivery_time"])
    assert list(lines(older)) == list(lines(whole))
