"""What vanishes while it is read is read where it has gone to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptoproxy.lake.form import Fault
from cryptoproxy.lake.objects import slots_of
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.lake.whole import whole_lake
from tests.unit.lake.conftest import Bucket
from tests.unit.lake.lakes import WHOLE_DAY, compact, fill, put, read, record


@pytest.mark.parametrize("after", [0, 1, 7, 15, 16, 20, 44])
def test_a_day_compacted_in_the_middle_of_the_reading_comes_whole_and_once(
    store: Store, make_store: Callable[..., Store], bucket: Bucket, after: int
) -> None:
    fill(store)
    before, _ = read(store)
    faults: list[Fault] = []
    found = []
    records = whole_lake(store).records("coingecko", WHOLE_DAY, faults.append)
    found += [next(records) for _ in range(after)]
    compact(make_store(), delete_raw=True)
    assert not any("/raw/" in key for key in bucket.objects)
    found += list(records)
    assert not faults
    assert [each.slot_ms for each in found] == sorted(each.slot_ms for each in found)
    assert len(found) == len(before)
    assert {each.id: each.line for each in found} == before


def test_a_file_replaced_in_the_middle_of_the_reading_comes_whole_and_once(
    store: Store, make_store: Callable[..., Store]
) -> None:
    fill(store)
    compact(store, delete_raw=True)
    put(store, record("late", 60_000))
    wanted, _ = read(store)
    get = store.get

    def late(key: str) -> bytes:
        store.get = get  # type: ignore[method-assign]
        compact(make_store(), delete_raw=True)
        return get(key)

    store.get = late  # type: ignore[method-assign]
    found = {each.id: each.line for each in whole_lake(store).records("coingecko", WHOLE_DAY, print)}
    assert found == wanted


def test_damage_is_told_once_although_it_is_read_twice(
    store: Store, make_store: Callable[..., Store], bucket: Bucket
) -> None:
    fill(store)
    damaged = put(store, record("lost", 30_000))
    bucket.objects[damaged] = b"no gzip"
    faults: list[Fault] = []
    records = whole_lake(store).records("coingecko", WHOLE_DAY, faults.append)
    next(records)
    compact(make_store(), delete_raw=True)
    assert len(list(records)) == 44
    assert [fault.key for fault in faults] == [damaged]


def test_what_is_always_missing_is_said(store: Store, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    key = put(store, record("bitcoin", 0))
    monkeypatch.setattr(RawForm, "_objects", lambda *_: [(key, slots_of(key))])
    del bucket.objects[key]
    with pytest.raises(MissingObjectError, match=key):
        read(store)
