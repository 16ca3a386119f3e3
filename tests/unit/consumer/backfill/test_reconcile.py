from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.record import Record, document_id, encode, from_iso
from cryptoproxy.consumer.backfill.display import Display
from cryptoproxy.consumer.backfill.letters import DeadIds, gather
from cryptoproxy.consumer.backfill.reconcile import Outcome, reconcile
from cryptoproxy.consumer.backfill.span import HOUR_MS, Span
from cryptoproxy.consumer.dead_letter_reader import Letter, Original
from cryptoproxy.lake.raw import RawForm
from tests.unit.consumer.backfill.lake import TEN, MemoryStore, record

SPAN = Span(TEN, TEN + 2 * HOUR_MS)


@dataclass
class FakeDocuments:
    records: list[Record] = field(default_factory=list)
    asked: list[tuple[str, Span]] = field(default_factory=list)

    def refresh(self) -> None: ...

    def counts(self, span: Span, sources: list[str] | None) -> dict[tuple[str, int], int]:
        slots = [(each.source, from_iso(each.timestamp)) for each in self.records]
        return Counter((source, slot - slot % HOUR_MS) for source, slot in slots if slot in span)

    def ids(self, source: str, span: Span) -> Iterator[tuple[int, str]]:
        self.asked.append((source, span))
        slots = sorted((from_iso(each.timestamp), document_id(each)) for each in self.records if each.source == source)
        return iter([each for each in slots if each[0] in span])


def run(
    store: MemoryStore,
    documents: FakeDocuments,
    *,
    dead: DeadIds | None = None,
    sources: list[str] | None = None,
    quick: bool = False,
) -> Outcome:
    return reconcile(
        RawForm(store),  # type: ignore[arg-type]
        documents,  # type: ignore[arg-type]
        dead or DeadIds(),
        span=SPAN,
        sources=sources,
        quick=quick,
        display=Display("reconcile", Console(file=io.StringIO())),
    )


def test_hours_whose_counts_agree_are_taken_as_equal_when_it_must_be_quick() -> None:
    store = MemoryStore()
    records = [record(asset, slot_ms=TEN + hour * HOUR_MS) for hour in range(2) for asset in ("a", "b")]
    for hour in range(2):
        store.put_records(*records[hour * 2 : hour * 2 + 2])
    documents = FakeDocuments(records[:-1])
    outcome = run(store, documents, quick=True)
    assert documents.asked == [("coingecko", SPAN.cut(TEN + HOUR_MS))]
    assert list(outcome.differing) == [("coingecko", TEN + HOUR_MS)]
    assert outcome.hours["coingecko", TEN + HOUR_MS].missing.ids == [document_id(records[-1])]


def test_one_that_is_missing_and_one_that_is_too_many_do_not_cancel_out() -> None:
    store = MemoryStore()
    store.put_records(record("a"), record("b"))
    documents = FakeDocuments([record("a"), record("stray")])
    assert run(store, documents, quick=True).agrees
    outcome = run(store, documents)
    assert not outcome.agrees
    assert outcome.hours["coingecko", TEN].missing.ids == [document_id(record("b"))]
    assert outcome.hours["coingecko", TEN].extra.ids == [document_id(record("stray"))]


def test_the_lake_is_read_once() -> None:
    store = MemoryStore()
    store.put_records(record("a"))
    store.put_records(slot_ms=TEN + 60_000, lines=b"junk\n")
    outcome = run(store, FakeDocuments([record("a"), record("b")]))
    assert len(store.gets) == len(set(store.gets)) == 2
    assert [fault.number for fault in outcome.faults] == [1]
    assert len(run(store, FakeDocuments([record("a"), record("b")]), quick=True).faults) == 1


def test_two_copies_of_an_id_of_which_the_index_has_the_other_one_agree() -> None:
    """Two pollers that ran at once: the lake's readers take the smallest fetched_at, the index keeps the first."""
    store = MemoryStore()
    store.put_records(record("a", price=1.0, fetched_at="2026-11-20T10:00:00.100Z"))
    store.put_records(record("a", price=2.0, fetched_at="2026-11-20T10:00:00.900Z"))
    outcome = run(store, FakeDocuments([record("a", price=2.0, fetched_at="2026-11-20T10:00:00.900Z")]))
    assert outcome.agrees
    assert outcome.hours["coingecko", TEN].lake == 1


def test_an_hour_that_the_lake_does_not_have_at_all_differs() -> None:
    store = MemoryStore()
    store.put_records(record())
    stray = record(source="binance")
    outcome = run(store, FakeDocuments([record(), stray]))
    assert outcome.hours["binance", TEN].extra.ids == [document_id(stray)]


def test_damage_is_no_agreement_unless_the_very_line_is_a_dead_letter() -> None:
    store = MemoryStore()
    store.put_records(slot_ms=TEN, lines=encode(record()) + b"\njunk\n")
    outcome = run(store, FakeDocuments([record()]))
    assert [fault.number for fault in outcome.faults] == [2]
    assert not outcome.agrees
    dead = gather([Letter(Original("data", 0, 1, None, b"junk", []), "not_json", "", "", 0, 1)], SPAN, None)
    assert run(store, FakeDocuments([record()]), dead=dead).agrees


def test_a_source_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(OperatorError, match="coingeko"):
        run(MemoryStore(), FakeDocuments(), sources=["coingeko"])
