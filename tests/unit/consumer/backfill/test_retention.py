from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cryptoproxy.common.errors import TransientError
from cryptoproxy.common.record import Period, from_iso
from cryptoproxy.consumer.backfill.display import Display
from cryptoproxy.consumer.backfill.retention import Retention, decide, due
from cryptoproxy.consumer.backfill.span import Span, period_of
from cryptoproxy.lake.raw import RawArchive
from tests.unit.consumer.backfill.lake import MemoryStore, record

DAY_MS = 86_400_000
NAMES = ("p-2026.09.01", "p-2026.10.01", "p-2026.11.01", "p-2026.12.01")
MONTHS: dict[str, Span] = {name: span for name in NAMES if (span := period_of(name, "p", Period.MONTH))}
NOW = from_iso("2026-11-20T10:00:00.000Z")


def names(keep_ms: int, now_ms: int = NOW) -> list[str]:
    return [name for name, _ in due(MONTHS, keep_ms=keep_ms, now_ms=now_ms)]


def test_a_period_is_due_when_its_youngest_slot_is_older_than_what_is_kept() -> None:
    assert names(0) == ["p-2026.09.01", "p-2026.10.01"]
    assert names(20 * DAY_MS) == ["p-2026.09.01"]  # 31 October ended 19 days and 10 hours ago
    assert names(19 * DAY_MS) == ["p-2026.09.01", "p-2026.10.01"]
    assert names(731 * DAY_MS) == []


@pytest.mark.parametrize("keep_ms", [0, 1, -(10**15)])
def test_the_current_period_is_never_due(keep_ms: int) -> None:
    assert "p-2026.11.01" not in names(keep_ms)
    assert "p-2026.12.01" not in names(keep_ms)


@pytest.mark.parametrize(
    ("lake", "documents", "damaged", "remove"),
    [(10, 10, 0, True), (11, 10, 0, True), (9, 10, 0, False), (0, 0, 0, True), (0, 1, 0, False), (99, 10, 1, False)],
)
def test_only_what_the_lake_has_in_full_may_go(lake: int, documents: int, damaged: int, remove: bool) -> None:
    assert decide("p", lake=lake, documents=documents, damaged=damaged).remove is remove


class FakeDocuments:
    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        self.deleted: list[str] = []

    def indices(self) -> dict[str, Span]:
        return MONTHS

    def refresh(self) -> None: ...

    def count(self, index: str) -> int:
        return self.counts[index]

    def delete(self, index: str) -> None:
        self.deleted.append(index)


def run(store: MemoryStore, documents: FakeDocuments, **options: Any) -> dict[str, bool]:
    retention = Retention(
        RawArchive(store, now_ms=lambda: NOW),  # type: ignore[arg-type]
        documents,  # type: ignore[arg-type]
        Display("retention", Console(file=io.StringIO())),
    )
    wanted = {"keep_ms": DAY_MS, "now_ms": NOW, "dry_run": False} | options
    return {verdict.index: verdict.remove for verdict in retention.run(**wanted)}


def stored(*times: str) -> MemoryStore:
    store = MemoryStore()
    for time in times:
        store.put_records(record(slot_ms=from_iso(f"{time}.000Z")))
    return store


def test_copies_of_one_id_count_once() -> None:
    store = stored("2026-09-30T23:59:00", "2026-10-01T00:00:00")
    store.put_records(record(slot_ms=from_iso("2026-09-30T23:59:00.000Z"), price=9.0))
    documents = FakeDocuments({"p-2026.09.01": 2, "p-2026.10.01": 1})
    assert run(store, documents) == {"p-2026.09.01": False, "p-2026.10.01": True}
    assert documents.deleted == ["p-2026.10.01"]


def test_a_dry_run_removes_nothing() -> None:
    documents = FakeDocuments({"p-2026.09.01": 1, "p-2026.10.01": 0})
    assert run(stored("2026-09-30T23:59:00"), documents, dry_run=True) == {"p-2026.09.01": True, "p-2026.10.01": True}
    assert documents.deleted == []


def test_a_lake_that_cannot_be_read_removes_nothing() -> None:
    store = stored("2026-09-30T23:59:00")
    store.failures = 1
    documents = FakeDocuments({"p-2026.09.01": 0, "p-2026.10.01": 0})
    with pytest.raises(TransientError):
        run(store, documents)
    assert documents.deleted == []


def test_a_damaged_object_keeps_its_period() -> None:
    store = stored("2026-09-30T23:59:00", "2026-09-30T23:58:00")
    store.content[sorted(store.content)[0]] = b"no gzip"
    documents = FakeDocuments({"p-2026.09.01": 1, "p-2026.10.01": 0})
    assert run(store, documents) == {"p-2026.09.01": False, "p-2026.10.01": True}
