from __future__ import annotations

import dataclasses

import pytest

from cryptoproxy.datasets import TICKER, document_id, encode, from_iso, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import TransientError
from cryptoproxy.lake.form import Fault, Stored, refuse
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.whole import whole_lake
from tests.unit.consumer.backfill.lake import HOUR_MS, TEN, MemoryStore, record

SPAN = Span(TEN - HOUR_MS, TEN + 3 * HOUR_MS)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def archive(store: MemoryStore) -> RawForm:
    return RawForm(store)  # type: ignore[arg-type]


def read(store: MemoryStore, span: Span = SPAN) -> tuple[list[Stored], list[Fault]]:
    faults: list[Fault] = []
    return list(archive(store).records("coingecko", span, faults.append)), faults


def test_each_id_comes_once_with_the_smallest_fetched_at_and_the_oldest_slot_first(store: MemoryStore) -> None:
    late = record("bitcoin", price=2.0, fetched_at=iso(TEN + 900))
    early = record("bitcoin", price=1.0, fetched_at=iso(TEN + 100))
    other = record("bitcoin", slot_ms=TEN + 60_000)
    store.put_records(late, record("ether"))
    store.put_records(early, other)
    store.put_records(record("bitcoin", slot_ms=TEN + HOUR_MS))
    found, faults = read(store)
    assert not faults
    assert [each.slot_ms for each in found] == sorted(each.slot_ms for each in found)
    lines = {each.id: each.line for each in found}
    assert len(found) == len(lines) == 4
    assert lines[document_id(early)] == encode(early)
    assert list(whole_lake(store).records("coingecko", SPAN, refuse)) == found  # type: ignore[arg-type]


def test_the_range_cuts_through_an_hour_and_through_an_object(store: MemoryStore) -> None:
    store.put_records(*(record("bitcoin", slot_ms=TEN + seconds * 1000) for seconds in range(60)))
    found, _ = read(store, Span(TEN + 10_000, TEN + 20_000))
    assert [each.slot_ms for each in found] == [TEN + seconds * 1000 for seconds in range(10, 20)]


def test_a_record_is_given_out_before_the_next_object_is_read(store: MemoryStore) -> None:
    keys = [store.put_records(record(slot_ms=TEN + minute * 60_000)) for minute in range(3)]
    records = archive(store).records("coingecko", SPAN, lambda _: None)
    assert next(records).slot_ms == TEN
    assert store.gets == keys[:1]


def test_poison_is_reported_with_its_object_and_the_rest_goes_on(store: MemoryStore) -> None:
    bad = b'{"source":"coingecko"}'
    key = store.put_records(slot_ms=TEN, lines=encode(record()) + b"\n" + bad + b"\n" + encode(record("ether")) + b"\n")
    damaged = store.put_records(record(slot_ms=TEN + 60_000))
    store.content[damaged] = store.content[damaged][:-9]
    store.put_records(record(slot_ms=TEN + 120_000))
    found, faults = read(store)
    assert len(found) == 3
    assert [(fault.key, fault.number, fault.reason) for fault in faults] == [
        (key, 2, "contract"),
        (damaged, None, "damaged_object"),
    ]
    assert faults[0].line == bad
    assert f"{key} line 2: contract" in str(faults[0])


def test_a_slot_that_the_object_cannot_hold_is_reported(store: MemoryStore) -> None:
    store.put_records(slot_ms=TEN + 60_000, lines=encode(record(slot_ms=TEN)) + b"\n")
    found, faults = read(store)
    assert not found
    assert [fault.reason for fault in faults] == ["misplaced"]


def test_slots_within_a_second_are_not_misplaced(store: MemoryStore) -> None:
    store.put_records(record(slot_ms=TEN + 500), record(slot_ms=TEN + 900))
    found, faults = read(store)
    assert [each.slot_ms for each in found] == [TEN + 500, TEN + 900]
    assert not faults


def test_only_hours_that_hold_anything_are_named(store: MemoryStore) -> None:
    for time in ("2026-11-19T23:59:00", "2026-11-20T10:00:00", "2026-11-21T00:00:00", "2026-12-01T05:00:00"):
        store.put_records(record(slot_ms=from_iso(f"{time}.000Z")))
    store.content["crypto/v1/ticker/raw/source=coingecko/dt=2026-11-20/hour=99/x"] = b""
    store.content["crypto/v1/ticker/raw/source=coingecko/dt=never/hour=10/x"] = b""
    span = Span(from_iso("2026-11-19T23:30:00.000Z"), from_iso("2026-11-21T00:00:00.000Z"))
    assert [iso(hour)[:13] for hour in archive(store).hours("coingecko", span)] == ["2026-11-19T23", "2026-11-20T10"]
    assert archive(store).sources() == ["coingecko"]


def test_a_store_that_is_away_is_said(store: MemoryStore) -> None:
    store.put_records(record())
    store.failures = 3
    with pytest.raises(TransientError):
        read(store)


def test_of_a_compacted_dataset_an_id_comes_once_at_each_of_its_slots(store: MemoryStore) -> None:
    newest = dataclasses.replace(TICKER, compacted=True)
    for minute in (0, 5, 5, 50):
        store.put_records(record("bitcoin", slot_ms=TEN + minute * 60_000))
    raw = RawForm(store, newest)  # type: ignore[arg-type]
    found = list(raw.records("coingecko", SPAN, refuse))
    assert [(each.id, (each.slot_ms - TEN) // 60_000) for each in found] == [
        ("coingecko:bitcoin:USD", minute) for minute in (0, 5, 50)
    ]
