"""The names of daily files, and what is done with one that is not as we write them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from cryptoproxy.datasets import TICKER, iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake import compact as compact_module
from cryptoproxy.lake.files import FileForm
from cryptoproxy.lake.objects import file_object, is_as_named
from cryptoproxy.lake.raw import WHOLE
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table, TablePlace
from tests.unit.lake.conftest import Bucket, refusal
from tests.unit.lake.lakes import DAY, NOW_MS, WHOLE_DAY, compact, fill, read

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("prefix", ["", "crypto", "team-a/crypto"])
def test_a_file_is_named_as_the_docs_say(prefix: str) -> None:
    key = file_object(prefix, "ticker", "bybit-linear", DAY, DIGEST, part=WHOLE)
    base = f"{prefix}/" if prefix else ""
    assert key == f"{base}v1/ticker/table/bybit-linear/bybit-linear-20261118-0123456789ab.parquet"
    assert is_as_named(key, DIGEST)
    assert not is_as_named(key, DIGEST[1:])


def replace(store: Store, bucket: Bucket, table: pa.Table | bytes) -> str:
    """``table`` in the place of the day's file."""
    body = table if isinstance(table, bytes) else bytes_of(table)
    key = file_object(store.settings.prefix, "ticker", "coingecko", DAY, hashlib.sha256(body).hexdigest(), part=WHOLE)
    bucket.objects[key] = body
    there = Table(store, TICKER)
    (old,) = there.files()
    low, high = ({"source": old.source, "timestamp": iso(at)} for at in (old.begin_ms, old.last_ms))
    told = json.dumps({"numRecords": old.rows, "minValues": low, "maxValues": high})
    new = dataclasses.replace(old, key=key, size=len(body), stats=told)
    there.replace(TablePlace("coingecko", "", WHOLE_DAY), [new], [old], made_of=0, now_ms=NOW_MS)
    return key


def bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


@pytest.fixture
def table(store: Store, bucket: Bucket) -> pa.Table:
    """The rows of a day that is only in its file."""
    fill(store)
    (file,) = compact(store, delete_raw=True).files
    return pq.read_table(pa.BufferReader(bucket.objects[file.key]))


def test_a_file_that_another_program_has_written_is_read(store: Store, bucket: Bucket, table: pa.Table) -> None:
    before, _ = read(store)
    replace(store, bucket, table.take(list(reversed(range(table.num_rows)))))
    assert read(store) == (before, [])
    assert len(read(store, Span(DAY + 7 * HOUR_MS, DAY + 8 * HOUR_MS))[0]) == 15


def test_a_file_without_the_fields_that_were_added_since_is_read(store: Store, bucket: Bucket, table: pa.Table) -> None:
    before, _ = read(store)
    replace(store, bucket, table.drop_columns(["funding_rate", "turnover_24h"]))
    assert read(store) == (before, [])


def test_a_file_of_a_newer_version_is_refused_and_not_half_read(store: Store, bucket: Bucket, table: pa.Table) -> None:
    key = replace(store, bucket, table.append_column("liquidity", pa.array([1.0] * table.num_rows)))
    with pytest.raises(OperatorError, match=f"{key} has columns that this version does not know: liquidity"):
        read(store)


@pytest.mark.parametrize("wrong", ["type", "absent", "line"])
def test_a_file_of_something_else_is_damage(store: Store, bucket: Bucket, table: pa.Table, wrong: str) -> None:
    if wrong == "type":
        at = table.schema.get_field_index("price")
        table = table.set_column(at, "price", table.column("price").cast(pa.string()))
    else:
        table = table.drop_columns(["price" if wrong == "absent" else "line"])
    key = replace(store, bucket, table)
    found, faults = read(store)
    assert found == {}
    assert [(fault.key, fault.reason) for fault in faults] == [(key, "damaged_object")]


@pytest.mark.usefixtures("table")
def test_what_is_no_parquet_is_damage(store: Store, bucket: Bucket) -> None:
    key = replace(store, bucket, b"PAR1 or so")
    found, faults = read(store)
    assert found == {}
    assert [(fault.key, fault.reason) for fault in faults] == [(key, "damaged_object")]


@pytest.mark.parametrize(
    "failure",
    [refusal(503, "SlowDown"), refusal(403, "InvalidObjectState"), refusal(404, "NoSuchKey")],
)
def test_a_day_of_which_one_file_could_not_be_fetched_is_not_remembered_as_read(
    store: Store, bucket: Bucket, failure: Exception
) -> None:
    fill(store, hours=(7,))
    compact(store, delete_raw=True)
    before, _ = read(store)
    archive = FileForm(store)
    get_object = bucket.get_object

    def fail(**options: object) -> None:
        bucket.get_object = get_object  # type: ignore[method-assign]
        raise failure

    bucket.get_object = fail  # type: ignore[assignment,method-assign]
    with pytest.raises((TransientError, OperatorError)):
        list(archive.records("coingecko", WHOLE_DAY, print))
    assert {each.id: each.line for each in archive.records("coingecko", WHOLE_DAY, print)} == before


def test_a_file_that_seems_to_be_gone_for_a_moment_is_asked_for_again(store: Store, bucket: Bucket) -> None:
    """The listing is right, one GET is not: nothing is taken for nothing."""
    fill(store, hours=(7,))
    compact(store, delete_raw=True)
    before, _ = read(store)
    get_object = bucket.get_object

    def gone(**options: object) -> None:
        bucket.get_object = get_object  # type: ignore[method-assign]
        raise refusal(404, "NoSuchKey")

    bucket.get_object = gone  # type: ignore[assignment,method-assign]
    assert read(store) == (before, [])


@pytest.mark.parametrize("rows", [1, 4, 44, 45])
def test_a_large_day_is_cut_by_time_into_files(store: Store, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    fill(store)
    before, _ = read(store)
    monkeypatch.setattr(compact_module, "FILE_ROWS", rows)
    files = compact(store, delete_raw=True).files
    assert [file.rows for file in files[:-1]] == [rows] * (len(files) - 1)
    assert sum(file.rows for file in files) == 45
    assert all(one.last_ms <= other.begin_ms for one, other in pairwise(files))
    assert read(store) == (before, [])
    for hour in (7, 8):
        found, _ = read(store, Span(DAY + hour * HOUR_MS, DAY + (hour + 1) * HOUR_MS))
        assert len(found) == (15 if hour == 7 else 0)
    assert not compact(store).written


def test_the_log_of_a_table_is_told_once_for_each_version(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for at each hour of what is read, and years of it are thousands of files."""
    told: list[int] = []
    get_add_actions = DeltaTable.get_add_actions
    monkeypatch.setattr(
        DeltaTable,
        "get_add_actions",
        lambda table, **how: told.append(table.version()) or get_add_actions(table, **how),
    )
    fill(store, hours=(0,))
    compact(store)
    reader = Table(store, TICKER)
    told.clear()
    first, again = reader.files(), reader.files()
    assert first == again
    assert len(told) == 1
    fill(store, hours=(7,))
    compact(store)
    told.clear()
    assert reader.files() != first
    assert len(told) == 1
