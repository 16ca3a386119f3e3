"""Rows in any order become one file, the same one however they came."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cryptoproxy.datasets import encode
from cryptoproxy.lake.parquet import ORDER, Row, Sorter, batch, digest, lines, row
from tests.unit.consumer.backfill.lake import TEN, record

SYMBOLS = ["ADA", "BTC", "DOGE", "ETH", "Ärger", "😀", "btc"]


def rows() -> list[Row]:
    made = [
        record(f"{symbol}-{number % 2}", slot_ms=TEN + number * 60_000, symbol=symbol, price=1.0 + number)
        for symbol in SYMBOLS
        for number in range(10 + len(symbol))
    ]
    return [row(encode(each)) for each in made]


def write(folder: Path, each: list[Row], *, run_rows: int = 7, group_rows: int = 15) -> Path:
    path = folder / "made.parquet"
    with Sorter(folder, run_rows=run_rows, group_rows=group_rows) as sorter:
        for one in each:
            sorter.add(one)
        assert sorter.count == len(each)
        sorter.write(path)
    return path


def test_it_is_sorted_by_symbol_and_time_and_has_every_row(tmp_path: Path) -> None:
    made = rows()
    random.Random(1).shuffle(made)
    table = pq.read_table(write(tmp_path, made))
    keys = list(zip(*(table.column(name).to_pylist() for name in ORDER), strict=True))
    assert keys == sorted(keys, key=lambda key: (key[0].encode(), key[1], key[2], key[3]))
    assert sorted(line for _, _, line in lines(table)) == sorted(
        line for one in rows() for _, _, line in lines(batch([one]))
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_are_the_same_bytes_in_whatever_order_they_came(tmp_path: Path, seed: int) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    made = rows()
    shuffled = random.Random(seed).sample(made, len(made))
    assert digest(write(folders[0], made)) == digest(write(folders[1], shuffled, run_rows=11))


def test_a_row_group_tells_which_symbols_it_has(tmp_path: Path) -> None:
    metadata = pq.ParquetFile(write(tmp_path, rows())).metadata
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


def test_no_rows_make_an_empty_file(tmp_path: Path) -> None:
    assert pq.read_table(write(tmp_path, [])).num_rows == 0


def test_a_symbol_of_more_rows_than_a_group_is_cut(tmp_path: Path) -> None:
    made = [row(encode(record(slot_ms=TEN + at * 1000))) for at in range(50)]
    metadata = pq.ParquetFile(write(tmp_path, made)).metadata
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [15, 15, 15, 5]
