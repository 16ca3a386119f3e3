from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from cryptoproxy.consumer.backfill.progress import Display
from cryptoproxy.consumer.backfill.retention import Retention, due
from cryptoproxy.datasets import Ticker, document_id, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.lake.raw import RawForm
from tests.unit.consumer.backfill.lake import MemoryStore, record
from tests.unit.consumer.backfill.test_span import period_of

DAY_MS = 86_400_000
NAMES = ("p-2026.09.01", "p-2026.10.01", "p-2026.11.01", "p-2026.12.01")
MONTHS: dict[str, Span] = {name: span for name in NAMES if (span := period_of(name))}
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


class FakeDocuments:
    """Indices with their documents; ``strays`` are documents that name no source or time."""

    def __init__(self, content: dict[str, list[Ticker]], *, strays: int = 0) -> None:
        self.content = {name: content.get(name, []) for name in NAMES}
        self.strays = strays
        self.late: list[Ticker] = []
        """Written while the ids are compared."""
        self.deleted: list[str] = []

    def indices(self) -> dict[str, Span]:
        return MONTHS

    def refresh(self, index: str | None = None) -> None: ...

    def counts(self, span: None, sources: None, index: str) -> dict[tuple[str, int], int]:
        slots = [(each.source, from_iso(each.timestamp)) for each in self.content[index]]
        return Counter((source, slot - slot % HOUR_MS) for source, slot in slots)

    def ids(self, source: str, span: Span, index: str) -> Iterator[tuple[int, str]]:
        there = [each for each in self.content[index] if each.source == source]
        yield from sorted(
            (from_iso(each.timestamp), document_id(each)) for each in there if from_iso(each.timestamp) in span
        )
        self.content[index] += self.late
        self.late = []

    def count(self, index: str) -> int:
        return len(self.content[index]) + self.strays

    def delete(self, index: str) -> None:
        self.deleted.append(index)


def verdicts(store: MemoryStore, documents: FakeDocuments, **options: Any) -> dict[str, str]:
    """Why each was kept; empty for one that may go."""
    retention = Retention(
        RawForm(store),  # type: ignore[arg-type]
        documents,  # type: ignore[arg-type]
        Display("retention", Console(file=io.StringIO())),
    )
    wanted = {"keep_ms": DAY_MS, "now_ms": NOW, "dry_run": False} | options
    found = {verdict.index: verdict.why_not for verdict in retention.run(**wanted)}
    if not wanted["dry_run"]:
        assert documents.deleted == [name for name, why_not in found.items() if not why_not]
    return found


def at(time: str, asset: str = "bitcoin", **fields: Any) -> Ticker:
    return record(asset, slot_ms=from_iso(f"{time}.000Z"), **fields)


def stored(*records: Ticker) -> MemoryStore:
    store = MemoryStore()
    for each in records:
        store.put_records(each)
    return store


SEPTEMBER, OCTOBER = at("2026-09-30T23:59:00"), at("2026-10-01T00:00:00")


def test_a_period_goes_when_the_lake_has_each_of_its_documents() -> None:
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER], "p-2026.10.01": [OCTOBER]})
    assert verdicts(stored(SEPTEMBER, OCTOBER), documents) == {"p-2026.09.01": "", "p-2026.10.01": ""}


def test_an_empty_period_goes() -> None:
    assert verdicts(MemoryStore(), FakeDocuments({})) == {"p-2026.09.01": "", "p-2026.10.01": ""}


@pytest.mark.parametrize(
    "in_the_lake",
    [
        at("2026-09-30T23:59:00", "another-coin"),
        at("2026-09-30T23:58:00"),
        at("2026-09-30T22:59:00"),
        at("2026-09-30T23:59:00", source="binance"),
        at("2026-09-30T23:59:00", quote="EUR"),
    ],
)
def test_as_many_others_in_the_lake_are_no_proof(in_the_lake: Ticker) -> None:
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER], "p-2026.10.01": [OCTOBER]})
    found = verdicts(stored(in_the_lake, at("2026-09-10T10:00:00"), OCTOBER), documents)
    assert found["p-2026.09.01"] == f"the lake lacks 1 of them, for example {document_id(SEPTEMBER)}"
    assert found["p-2026.10.01"] == ""


def test_two_copies_of_one_id_in_the_lake_are_one() -> None:
    other = at("2026-09-30T23:59:00", price=9.0)
    missing = at("2026-09-30T23:59:00", "ethereum")
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER, missing]})
    assert "lacks 1 of them" in verdicts(stored(SEPTEMBER, other), documents)["p-2026.09.01"]


def test_what_is_not_of_the_index_s_time_keeps_it() -> None:
    """Somebody has written this year's records into last year's index: they are not old enough to go."""
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER, OCTOBER]})
    found = verdicts(stored(SEPTEMBER, OCTOBER), documents)
    assert found["p-2026.09.01"].startswith("1 of them are not of its time")


def test_documents_that_are_no_records_keep_their_index() -> None:
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER]}, strays=3)
    assert verdicts(stored(SEPTEMBER), documents)["p-2026.09.01"].startswith("3 of them are not of its time")


def test_what_is_written_during_the_comparison_keeps_its_index() -> None:
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER]})
    documents.late = [at("2026-09-01T00:00:00", "late")]
    assert "something writes to it" in verdicts(stored(SEPTEMBER, *documents.late), documents)["p-2026.09.01"]


def test_a_dry_run_removes_nothing() -> None:
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER]})
    assert verdicts(stored(SEPTEMBER), documents, dry_run=True) == {"p-2026.09.01": "", "p-2026.10.01": ""}
    assert documents.deleted == []


def test_a_lake_that_cannot_be_read_removes_nothing() -> None:
    store = stored(SEPTEMBER)
    store.failures = 1
    documents = FakeDocuments({"p-2026.09.01": [SEPTEMBER]})
    with pytest.raises(TransientError):
        verdicts(store, documents)
    assert documents.deleted == []


def test_a_damaged_object_keeps_the_period_of_its_records() -> None:
    second = at("2026-09-30T23:58:00")
    store = stored(SEPTEMBER, second)
    store.content[sorted(store.content)[0]] = b"no gzip"
    found = verdicts(store, FakeDocuments({"p-2026.09.01": [SEPTEMBER, second], "p-2026.10.01": []}))
    assert found["p-2026.09.01"] == (
        f"the lake lacks 1 of them, for example {document_id(second)}; damaged objects there: 1"
    )
    assert found["p-2026.10.01"] == ""
