"""Rows in any order become one file, the same one however they came."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryptoproxy.datasets import TICKER, encode
from cryptoproxy.lake import parquet
from cryptoproxy.lake.parquet import Columns, Row
from tests.unit.consumer.backfill.lake import TEN, record

COLUMNS = Columns(TICKER)
batch, lines, row = COLUMNS.batch, COLUMNS.lines, COLUMNS.row
SYMBOLS = ["ADA", "BTC", "DOGE", "ETH", "Ärger", "😀", "btc"]


def rows() -> list[Row]:
    made = [
        record(f"{symbol}-{number % 2}", slot_ms=TEN + number * 60_000, symbol=symbol, price=1.0 + number)
        for symbol in SYMBOLS
        for number in range(10 + len(symbol))
    ]
    return [row(encode(each)) for each in made]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 15)


def write(each: list[Row], *, batch_rows: int = 7) -> pa.BufferReader:
    return pa.BufferReader(COLUMNS.file([batch(list(rows)) for rows in batched(each, batch_rows)])[0])


def batched(each: list[Row], size: int) -> list[list[Row]]:
    return [each[at : at + size] for at in range(0, len(each), size)]


def test_it_is_sorted_by_symbol_and_time_and_has_every_row() -> None:
    made = rows()
    random.Random(1).shuffle(made)
    table = pq.read_table(write(made))
    keys = list(zip(*(table.column(name).to_pylist() for name in TICKER.order), strict=True))
    assert keys == sorted(keys, key=lambda key: (key[0].encode(), key[1], key[2], key[3]))
    assert sorted(line for *_, line in lines(table)) == sorted(
        line for one in rows() for *_, line in lines(batch([one]))
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_are_the_same_bytes_in_whatever_order_they_came(seed: int) -> None:
    made = rows()
    shuffled = random.Random(seed).sample(made, len(made))
    assert write(made).read() == write(shuffled, batch_rows=11).read()


def test_a_row_group_tells_which_symbols_it_has() -> None:
    metadata = pq.ParquetFile(write(rows())).metadata
    assert metadata.num_row_groups > 2
    ranges = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
        assert columns["price"].compression == "ZSTD"
        assert all(each.is_stats_set for each in columns.values())
        ranges.append((columns["symbol"].statistics.min, columns["symbol"].statistics.max))
        assert columns["timestamp"].statistics.has_min_max
        assert [each.column_index for each in group.sorting_columns] == [2, 6, 1, 4]
    assert ranges == sorted(ranges, key=lambda each: each[0].encode())


def test_no_rows_make_an_empty_file() -> None:
    assert pq.read_table(write([])).num_rows == 0


def test_a_symbol_of_more_rows_than_a_group_is_cut() -> None:
    made = [row(encode(record(slot_ms=TEN + at * 1000))) for at in range(50)]
    metadata = pq.ParquetFile(write(made)).metadata
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [15, 15, 15, 5]
