"""A day as one file: the same values, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from cryptoproxy.datasets import TICKER, encode, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.compact import Compacted, Compaction
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.lake.table import Table
from cryptoproxy.lake.whole import whole_lake
from tests.unit.lake.conftest import Bucket, refusal
from tests.unit.lake.lakes import DAY, MINUTE, NOW_MS, compact, expected, fill, put, read, record


def daily(store: Store) -> list[str]:
    """The files that count."""
    return [file.key for file in Table(store, TICKER).files()]


def keys_of(done: Compacted) -> list[str]:
    return [file.key for file in done.files]


def raw(bucket: Bucket) -> list[str]:
    return sorted(key for key in bucket.objects if "/raw/" in key)


def test_the_file_has_exactly_what_the_objects_have(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    keys = fill(store)
    before, _ = read(store)
    done = compact(store)
    assert (done.records, done.raw_objects, done.written, done.removed) == (45, 9, True, 0)
    assert raw(bucket) == sorted(keys)
    assert daily(store) == keys_of(done)
    assert read(store) == (before, [])
    for key in keys:
        del bucket.objects[key]
    assert read(store) == (before, [])


def test_a_second_run_changes_nothing(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store)
    first = compact(store)
    objects = dict(bucket.objects)
    bucket.calls.clear()
    second = compact(store)
    assert (second.files, second.written, second.records) == (first.files, False, 45)
    assert bucket.objects == objects
    assert {name for name, _ in bucket.calls} == {"list"}


def test_of_two_copies_the_one_that_was_fetched_first_is_in_the_file(
    store: Store, bucket: Bucket, tmp_path: Path
) -> None:
    first = record("bitcoin", 0, price=1.0)
    put(store, record("bitcoin", 0, price=2.0, fetched_at=iso(DAY + 900), symbol="OTHER"))
    put(store, first)
    compact(store, delete_raw=True)
    assert raw(bucket) == []
    assert read(store) == (expected(first), [])


@pytest.mark.parametrize("deleted", [False, True])
def test_late_objects_are_merged_by_the_next_run(store: Store, bucket: Bucket, tmp_path: Path, deleted: bool) -> None:
    fill(store, hours=(3,))
    before, _ = read(store)
    first = compact(store, delete_raw=deleted)
    late = record("late", 3 * HOUR_MS + 90_000)
    earlier = record("coin-1", 3 * HOUR_MS, price=7.0, fetched_at=iso(DAY + 3 * HOUR_MS + 1))  # another poller's
    later = record("coin-2", 3 * HOUR_MS, price=8.0, fetched_at=iso(DAY + 3 * HOUR_MS + 999))
    put(store, late)
    put(store, earlier, later)
    wanted = before | expected(late, earlier)
    assert read(store) == (wanted, [])
    second = compact(store, delete_raw=deleted)
    assert second.written
    assert second.files != first.files
    assert daily(store) == keys_of(second)
    assert read(store) == (wanted, [])
    assert bool(raw(bucket)) is not deleted


def test_raw_objects_are_removed_only_after_the_file_was_read_back(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = fill(store)
    original = Store.put

    def cut(self: Store, key: str, body: bytes) -> None:
        original(self, key, body[:-100])

    with monkeypatch.context() as broken:
        broken.setattr(Store, "put", cut)
        with pytest.raises(OperatorError, match="lack 45 records"):
            compact(store, delete_raw=True)
    assert raw(bucket) == sorted(keys)
    assert daily(store) == []
    done = compact(store, delete_raw=True)
    assert done.removed == len(keys)
    assert raw(bucket) == []


def test_a_file_that_lacks_an_id_is_noticed_and_nothing_is_removed(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)

    original = Columns.file

    def forgetful(self: Columns, batches: list[pa.RecordBatch]) -> tuple[bytes, str]:
        return original(self, [pa.record_batch(batches[0].slice(1)), *batches[1:]])

    monkeypatch.setattr(Columns, "file", forgetful)
    before = raw(bucket)
    with pytest.raises(OperatorError, match="lack 1 records"):
        compact(store, delete_raw=True)
    assert raw(bucket) == before


def test_what_cannot_be_read_is_said_and_kept(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(3,))
    good = record("good", MINUTE)
    bad_line = put(store, lines=encode(good) + b'\n{"source":"coingecko"}\n', slot_ms=DAY + MINUTE)
    damaged = put(store, record("lost", 2 * MINUTE))
    bucket.objects[damaged] = bucket.objects[damaged][:-9]
    for _ in range(2):
        done = compact(store, delete_raw=True)
        assert {(fault.key, fault.reason) for fault in done.faults} == {
            (bad_line, "contract"),
            (damaged, "damaged_object"),
        }
        assert raw(bucket) == sorted([bad_line, damaged])
    found, faults = read(store)
    assert len(found) == 16
    assert found.items() >= expected(good).items()
    assert len(faults) == 2


def test_a_damaged_file_is_made_again_from_the_objects(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store)
    before, _ = read(store)
    first = compact(store)
    (key,) = keys_of(first)
    bucket.objects[key] = bucket.objects[key][:-50] + b"x" * 50
    found, faults = read(store)
    assert found == before
    assert [(fault.key, fault.reason) for fault in faults] == [(key, "damaged_object")]
    again = compact(store, delete_raw=True)
    assert (again.files, again.faults, raw(bucket)) == (first.files, [], [])
    assert read(store) == (before, [])


def test_a_day_that_is_not_over_is_refused_unless_asked_for(store: Store, tmp_path: Path) -> None:
    fill(store)
    for ahead, refused in ((DAY_MS - 1, True), (DAY_MS + 299_999, True), (DAY_MS + 300_000, False)):
        compaction = Compaction(store, now_ms=lambda ahead=ahead: DAY + ahead)  # type: ignore[misc]
        if refused:
            with pytest.raises(OperatorError, match="not over yet"):
                compaction.period("coingecko", DAY)
            assert compaction.period("coingecko", DAY, unfinished=True).records == 45
        else:
            assert compaction.period("coingecko", DAY).records == 45


def test_a_day_without_anything_makes_no_file(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    done = compact(store)
    assert (done.files, done.written) == ([], False)
    assert not bucket.objects


def test_other_days_and_sources_are_left_alone(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(0,))
    other = [*fill(store, hours=(0,), source="coingecko-pro"), put(store, record("coin", DAY_MS))]
    done = compact(store, delete_raw=True)
    assert done.records == 15
    assert raw(bucket) == sorted(other)


class Killed(BaseException):
    """The process is gone."""


STEPS = {"put": (Store, "put"), "commit": (Table, "replace"), "delete": (Store, "delete"), "get": (Store, "get")}


def about_files(arguments: tuple[object, ...]) -> bool:
    return "/raw/" not in str(arguments[0])


@pytest.mark.parametrize("step", ["put", "commit", "delete"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("count", [0, 4])
def test_killed_anywhere_nothing_is_lost_and_the_next_run_ends_it(
    store: Store, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, step: str, after: bool, count: int
) -> None:
    fill(store, hours=(0, 5))
    compact(store)
    put(store, record("late", HOUR_MS))
    before, _ = read(store)
    done = 0
    place, name = STEPS[step]
    original = getattr(place, name)

    def kill(self: object, *arguments: object, **options: object) -> None:
        nonlocal done
        if done == count and not after:
            raise Killed
        original(self, *arguments, **options)
        if done == count:
            raise Killed
        done += 1

    with monkeypatch.context() as killing:
        killing.setattr(place, name, kill)
        try:
            compact(store, delete_raw=True)
        except Killed:
            killed = True
        else:
            killed = False
    assert killed is (step == "delete" or count == 0)
    assert read(store) == (before, [])
    compact(store, delete_raw=True)
    assert read(store) == (before, [])
    assert len(daily(store)) == 1
    assert raw(bucket) == []


@pytest.mark.parametrize("at", list(STEPS))
def test_another_run_in_the_middle_loses_nothing(
    store: Store, bucket: Bucket, make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    fill(store, hours=(0, 5))
    compact(store)
    put(store, record("late", HOUR_MS))
    wanted = read(store)[0] | expected(record("later", 2 * HOUR_MS))
    place, name = STEPS[at]
    original = getattr(place, name)
    ran = []

    def interfere(self: object, *arguments: object, **options: object) -> object:
        if not ran and (at == "delete" or about_files(arguments)):
            ran.append(True)
            put(make_store(), record("later", 2 * HOUR_MS))  # an object that the first run did not list
            compact(make_store(), delete_raw=True)
        return original(self, *arguments, **options)

    monkeypatch.setattr(place, name, interfere)
    compact(store, delete_raw=True)
    assert ran
    assert read(store) == (wanted, [])
    compact(store, delete_raw=True)
    assert read(store) == (wanted, [])
    assert len(daily(store)) == 1
    assert raw(bucket) == []


def test_of_two_first_runs_at_once_one_looks_again(
    store: Store, make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has anything to replace; without a mark of the day both would be taken, and the day be there twice."""
    fill(store, hours=(0,))
    put(store, record("another", DAY_MS))
    Compaction(store, now_ms=lambda: NOW_MS).period("coingecko", DAY + DAY_MS, unfinished=True)  # the table is there
    original = DeltaTable.create_write_transaction
    ran = []

    def interfere(self: DeltaTable, *arguments: Any, **options: Any) -> None:
        if not ran:
            ran.append(True)
            put(make_store(), record("late", HOUR_MS))
            compact(make_store())
        original(self, *arguments, **options)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", interfere)
    done = compact(store)
    assert ran
    assert done.records == 16
    assert [file.begin_ms for file in Table(store, TICKER).files()] == [DAY, DAY + DAY_MS]


def test_a_run_that_always_comes_second_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)

    def gone(self: Store, key: str, body: bytes) -> None:
        """Somebody removes it at once."""

    monkeypatch.setattr(Store, "put", gone)
    with pytest.raises(MissingObjectError):
        compact(store, delete_raw=True)


def test_a_store_that_fails_leaves_everything(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    keys = fill(store)
    bucket.fails.append(refusal(503, "SlowDown"))
    with pytest.raises(TransientError):
        compact(store, delete_raw=True)
    assert raw(bucket) == sorted(keys)


def test_the_table_tells_what_is_in_a_file(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(0, 7, 23))
    (file,) = compact(store).files
    assert file == Table(store, TICKER).files()[0]
    assert (file.source, file.begin_ms, file.last_ms) == ("coingecko", DAY, DAY + 23 * HOUR_MS + 2 * MINUTE)
    assert (file.rows, file.size) == (45, len(bucket.objects[file.key]))
    path = tmp_path / "x.parquet"
    path.write_bytes(bucket.objects[file.key])
    table = pq.read_table(path)
    symbols = table.column("symbol").to_pylist()
    assert symbols == sorted(symbols)
    assert table.column("source").unique().to_pylist() == ["coingecko"]
    assert table.column("line").null_count == table.num_rows


def test_hours_and_ranges_are_those_of_the_records(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(7, 8))
    compact(store, delete_raw=True)
    put(store, record("raw", 9 * HOUR_MS))
    lake = whole_lake(store)
    assert lake.sources() == ["coingecko"]
    assert [(hour - DAY) // HOUR_MS for hour in lake.hours("coingecko", Span(DAY + HOUR_MS, DAY + 2 * DAY_MS))] == [
        7,
        8,
        9,
    ]
    seven = DAY + 7 * HOUR_MS
    found_ids, _ = read(store, Span(seven + MINUTE, seven + 2 * MINUTE))
    assert {identity.rpartition(":")[2] for identity in found_ids} == {str(seven + MINUTE)}
    assert len(found_ids) == 5


def test_the_log_says_of_every_column_what_readers_skip_files_by(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    """A column of which the log said nothing would be taken for one without values."""
    fill(store, hours=(7,))
    long = "x" * 100
    put(store, record(long, HOUR_MS, symbol="LONG", funding_rate=0.25))
    (file,) = compact(store).files
    address, options = store.delta(Table(store, TICKER).root)
    name = Path(address) / file.key.removeprefix(Table(store, TICKER).root)
    name.parent.mkdir()
    name.write_bytes(bucket.objects[file.key])
    table = DeltaTable(address, storage_options=options)
    for column, value in (("asset_id", long), ("asset_id", "coin-1"), ("funding_rate", 0.25), ("symbol", "LONG")):
        assert table.to_pyarrow_table(filters=[(column, "=", value)]).num_rows == (3 if value == "coin-1" else 1)
