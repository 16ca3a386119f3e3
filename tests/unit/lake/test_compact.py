"""A day as one file: the same values, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cryptoproxy.datasets import encode, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake import compact as compact_module
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.objects import day_of
from cryptoproxy.lake.store import MissingObjectError, Store
from tests.unit.lake.conftest import Bucket, refusal
from tests.unit.lake.lakes import DAY, MINUTE, compact, expected, fill, put, read, record


def daily(bucket: Bucket) -> list[str]:
    return sorted(key for key in bucket.objects if "/daily/" in key)


def raw(bucket: Bucket) -> list[str]:
    return sorted(key for key in bucket.objects if "/raw/" in key)


def test_the_file_has_exactly_what_the_objects_have(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    keys = fill(store)
    before, _ = read(store)
    done = compact(store, tmp_path)
    assert (done.records, done.raw_objects, done.written, done.removed) == (45, 9, True, 0)
    assert raw(bucket) == sorted(keys)
    assert daily(bucket) == [done.key]
    assert read(store) == (before, [])
    for key in keys:
        del bucket.objects[key]
    assert read(store) == (before, [])


def test_a_second_run_changes_nothing(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store)
    first = compact(store, tmp_path)
    objects = dict(bucket.objects)
    bucket.calls.clear()
    second = compact(store, tmp_path)
    assert (second.key, second.written, second.records) == (first.key, False, 45)
    assert bucket.objects == objects
    assert {name for name, _ in bucket.calls} <= {"list", "head"}


def test_of_two_copies_the_one_that_was_fetched_first_is_in_the_file(
    store: Store, bucket: Bucket, tmp_path: Path
) -> None:
    first = record("bitcoin", 0, price=1.0)
    put(store, record("bitcoin", 0, price=2.0, fetched_at=iso(DAY + 900), symbol="OTHER"))
    put(store, first)
    compact(store, tmp_path, delete_raw=True)
    assert raw(bucket) == []
    assert read(store) == (expected(first), [])


@pytest.mark.parametrize("deleted", [False, True])
def test_late_objects_are_merged_by_the_next_run(store: Store, bucket: Bucket, tmp_path: Path, deleted: bool) -> None:
    fill(store, hours=(3,))
    before, _ = read(store)
    first = compact(store, tmp_path, delete_raw=deleted)
    late = record("late", 3 * HOUR_MS + 90_000)
    earlier = record("coin-1", 3 * HOUR_MS, price=7.0, fetched_at=iso(DAY + 3 * HOUR_MS + 1))  # another poller's
    later = record("coin-2", 3 * HOUR_MS, price=8.0, fetched_at=iso(DAY + 3 * HOUR_MS + 999))
    put(store, late)
    put(store, earlier, later)
    wanted = before | expected(late, earlier)
    assert read(store) == (wanted, [])
    second = compact(store, tmp_path, delete_raw=deleted)
    assert second.written
    assert second.key != first.key
    assert daily(bucket) == [second.key]
    assert read(store) == (wanted, [])
    assert bool(raw(bucket)) is not deleted


def test_raw_objects_are_removed_only_after_the_file_was_read_back(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = fill(store)
    upload = Store.upload

    def cut(self: Store, path: Path, key: str, metadata: dict[str, str]) -> None:
        upload(self, path, key, metadata)
        bucket.objects[key] = bucket.objects[key][:-100]

    with monkeypatch.context() as broken:
        broken.setattr(Store, "upload", cut)
        with pytest.raises(OperatorError, match="lacks 45 records"):
            compact(store, tmp_path, delete_raw=True)
    assert raw(bucket) == sorted(keys)
    done = compact(store, tmp_path, delete_raw=True)  # the digest in its name tells that the first one is damaged
    assert done.removed == len(keys)
    assert raw(bucket) == []


def test_a_file_that_lacks_an_id_is_noticed_and_nothing_is_removed(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)

    class Forgetful(compact_module.Sorter):
        def add(self, row: tuple[object, ...]) -> None:
            if self.count != 7 or "forgotten" in vars(self):
                super().add(row)
            else:
                vars(self)["forgotten"] = row

    monkeypatch.setattr(compact_module, "Sorter", Forgetful)
    before = raw(bucket)
    with pytest.raises(OperatorError, match="lacks 1 records"):
        compact(store, tmp_path, delete_raw=True)
    assert raw(bucket) == before


def test_what_cannot_be_read_is_said_and_kept(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(3,))
    good = record("good", MINUTE)
    bad_line = put(store, lines=encode(good) + b'\n{"source":"coingecko"}\n', slot_ms=DAY + MINUTE)
    damaged = put(store, record("lost", 2 * MINUTE))
    bucket.objects[damaged] = bucket.objects[damaged][:-9]
    for _ in range(2):
        done = compact(store, tmp_path, delete_raw=True)
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
    first = compact(store, tmp_path)
    assert first.key is not None
    bucket.objects[first.key] = bucket.objects[first.key][:-50] + b"x" * 50
    found, faults = read(store)
    assert found == before
    assert [(fault.key, fault.reason) for fault in faults] == [(first.key, "damaged_object")]


def test_a_day_that_is_not_over_is_refused_unless_asked_for(store: Store, tmp_path: Path) -> None:
    fill(store)
    for ahead, refused in ((DAY_MS - 1, True), (DAY_MS + 299_999, True), (DAY_MS + 300_000, False)):
        compaction = Compaction(store, tmp_path, now_ms=lambda ahead=ahead: DAY + ahead)  # type: ignore[misc]
        if refused:
            with pytest.raises(OperatorError, match="not over yet"):
                compaction.day("coingecko", DAY)
            assert compaction.day("coingecko", DAY, unfinished=True).records == 45
        else:
            assert compaction.day("coingecko", DAY).records == 45


def test_a_day_without_anything_makes_no_file(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    done = compact(store, tmp_path)
    assert (done.key, done.written) == (None, False)
    assert not bucket.objects


def test_other_days_and_sources_are_left_alone(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(0,))
    other = [*fill(store, hours=(0,), source="coingecko-pro"), put(store, record("coin", DAY_MS))]
    done = compact(store, tmp_path, delete_raw=True)
    assert done.records == 15
    assert raw(bucket) == sorted(other)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["put", "delete"])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_killed_anywhere_nothing_is_lost_and_the_next_run_ends_it(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    fill(store, hours=(0, 5))
    compact(store, tmp_path)
    put(store, record("late", HOUR_MS))
    before, _ = read(store)
    done = 0
    original = Store.delete if step == "delete" else Store.upload

    def kill(self: Store, *arguments: object) -> None:
        nonlocal done
        if done == after:
            raise Killed
        done += 1
        original(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as killing:
        killing.setattr(Store, "delete" if step == "delete" else "upload", kill)
        try:
            compact(store, tmp_path, delete_raw=True)
        except Killed:
            killed = True
        else:
            killed = False
    assert killed is not (step == "put" and after > 0)
    assert read(store) == (before, [])
    compact(store, tmp_path, delete_raw=True)
    assert read(store) == (before, [])
    assert len(daily(bucket)) == 1
    assert raw(bucket) == []


@pytest.mark.parametrize("at", ["upload", "delete", "download"])
def test_another_run_in_the_middle_loses_nothing(
    store: Store, bucket: Bucket, make_store: Callable[..., Store], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, at: str,
) -> None:  # fmt: skip
    fill(store, hours=(0, 5))
    compact(store, tmp_path)
    put(store, record("late", HOUR_MS))
    wanted = read(store)[0] | expected(record("later", 2 * HOUR_MS))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    original = getattr(Store, at)
    ran = []

    def interfere(self: Store, *arguments: object) -> None:
        if not ran:
            ran.append(True)
            put(make_store(), record("later", 2 * HOUR_MS))  # an object that the first run did not list
            compact(make_store(), elsewhere, delete_raw=True)
        original(self, *arguments)

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setattr(Store, at, interfere)
    compact(store, here, delete_raw=True)
    assert ran
    assert read(store) == (wanted, [])
    compact(store, here, delete_raw=True)
    assert read(store) == (wanted, [])
    assert len(daily(bucket)) == 1
    assert raw(bucket) == []


def test_a_run_that_always_comes_second_says_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)

    def gone(self: Store, path: Path, key: str, metadata: dict[str, str]) -> None:
        """Somebody removes it at once."""

    monkeypatch.setattr(Store, "upload", gone)
    with pytest.raises(MissingObjectError):
        compact(store, tmp_path, delete_raw=True)


def test_a_store_that_fails_leaves_everything(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    keys = fill(store)
    bucket.fails.append(refusal(503, "SlowDown"))
    with pytest.raises(TransientError):
        compact(store, tmp_path, delete_raw=True)
    assert raw(bucket) == sorted(keys)


def test_the_file_tells_what_is_in_it(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fill(store, hours=(0, 7, 23))
    done = compact(store, tmp_path)
    assert done.key is not None
    assert day_of(done.key) == DAY
    assert bucket.metadata[done.key]["hours"] == "0,7,23"
    path = tmp_path / "x.parquet"
    path.write_bytes(bucket.objects[done.key])
    table = pq.read_table(path)
    symbols = table.column("symbol").to_pylist()
    assert symbols == sorted(symbols)
    assert table.column("source").unique().to_pylist() == ["coingecko"]
    assert table.column("line").null_count == table.num_rows


def test_hours_and_ranges_are_those_of_the_records(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    from cryptoproxy.lake.whole import whole_lake

    fill(store, hours=(0, 7, 23))
    compact(store, tmp_path, delete_raw=True)
    put(store, record("raw", 9 * HOUR_MS))
    with whole_lake(store) as lake:
        assert lake.sources() == ["coingecko"]
        found = lake.hours("coingecko", Span(DAY + HOUR_MS, DAY + 2 * DAY_MS))
        assert [(hour - DAY) // HOUR_MS for hour in found] == [7, 9, 23]
    seven = DAY + 7 * HOUR_MS
    found_ids, _ = read(store, Span(seven + MINUTE, seven + 2 * MINUTE))
    assert {identity.rpartition(":")[2] for identity in found_ids} == {str(seven + MINUTE)}
    assert len(found_ids) == 5
