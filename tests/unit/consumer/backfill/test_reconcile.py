from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cryptoproxy.consumer.backfill.progress import Display
from cryptoproxy.consumer.backfill.reconcile import SHOWN, DeadIds, Reconciled, compare, gather, reconcile
from cryptoproxy.consumer.letters.reader import Letter, Original
from cryptoproxy.datasets import TICKER, Ticker, document_id, encode, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.raw import RawForm
from tests.unit.consumer.backfill.lake import TEN, MemoryStore, record

SPAN = Span(TEN, TEN + 2 * HOUR_MS)
NEWEST = dataclasses.replace(TICKER, compacted=True)


@dataclass
class FakeDocuments:
    records: list[Ticker] = field(default_factory=list)
    asked: list[tuple[str, Span | None]] = field(default_factory=list)
    replaced: bool = False

    def refresh(self) -> None: ...

    def counts(self, span: Span | None, sources: list[str] | None) -> dict[tuple[str, int], int]:
        slots = [(each.source, from_iso(each.timestamp)) for each in self.records]
        return Counter((source, slot - slot % HOUR_MS) for source, slot in slots if span is None or slot in span)

    def ids(self, source: str, span: Span | None) -> Iterator[tuple[int, str]]:
        self.asked.append((source, span))
        id_of = NEWEST.id_of if self.replaced else document_id
        slots = sorted((from_iso(each.timestamp), id_of(each)) for each in self.records if each.source == source)
        return iter([each for each in slots if span is None or each[0] in span])


def run(
    store: MemoryStore,
    documents: FakeDocuments,
    *,
    dead: DeadIds | None = None,
    sources: list[str] | None = None,
    quick: bool = False,
) -> Reconciled:
    return reconcile(
        RawForm(store, NEWEST if documents.replaced else TICKER),  # type: ignore[arg-type]
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
    result = run(store, documents, quick=True)
    assert documents.asked == [("coingecko", SPAN.cut(TEN + HOUR_MS))]
    assert [place for place, hour in result.hours.items() if not hour.agrees] == [("coingecko", TEN + HOUR_MS)]
    assert result.hours["coingecko", TEN + HOUR_MS].missing.ids == [document_id(records[-1])]


def test_one_that_is_missing_and_one_that_is_too_many_do_not_cancel_out() -> None:
    store = MemoryStore()
    store.put_records(record("a"), record("b"))
    documents = FakeDocuments([record("a"), record("stray")])
    assert run(store, documents, quick=True).agrees
    result = run(store, documents)
    assert not result.agrees
    assert result.hours["coingecko", TEN].missing.ids == [document_id(record("b"))]
    assert result.hours["coingecko", TEN].extra.ids == [document_id(record("stray"))]


def test_the_lake_is_read_once() -> None:
    store = MemoryStore()
    store.put_records(record("a"))
    store.put_records(slot_ms=TEN + 60_000, lines=b"junk\n")
    result = run(store, FakeDocuments([record("a"), record("b")]))
    assert len(store.gets) == len(set(store.gets)) == 2
    assert [fault.number for fault in result.faults] == [1]
    assert len(run(store, FakeDocuments([record("a"), record("b")]), quick=True).faults) == 1


def test_two_copies_of_an_id_of_which_the_index_has_the_other_one_agree() -> None:
    """Two pollers that ran at once: the lake's readers take the smallest fetched_at, the index keeps the first."""
    store = MemoryStore()
    store.put_records(record("a", price=1.0, fetched_at="2026-11-20T10:00:00.100Z"))
    store.put_records(record("a", price=2.0, fetched_at="2026-11-20T10:00:00.900Z"))
    result = run(store, FakeDocuments([record("a", price=2.0, fetched_at="2026-11-20T10:00:00.900Z")]))
    assert result.agrees
    assert result.hours["coingecko", TEN].lake == 1


def test_an_hour_that_the_lake_does_not_have_at_all_differs() -> None:
    store = MemoryStore()
    store.put_records(record())
    stray = record(source="binance")
    result = run(store, FakeDocuments([record(), stray]))
    assert result.hours["binance", TEN].extra.ids == [document_id(stray)]


def test_damage_is_no_agreement_unless_the_very_line_is_a_dead_letter() -> None:
    store = MemoryStore()
    store.put_records(slot_ms=TEN, lines=encode(record()) + b"\njunk\n")
    result = run(store, FakeDocuments([record()]))
    assert [fault.number for fault in result.faults] == [2]
    assert not result.agrees
    dead = gather([Letter(Original("data", 0, 1, None, b"junk", []), "not_json", "", "", 0, 1)], TICKER, SPAN, None)
    assert run(store, FakeDocuments([record()]), dead=dead).agrees


def test_a_source_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(OperatorError, match="coingeko"):
        run(MemoryStore(), FakeDocuments(), sources=["coingeko"])


ids = st.lists(st.integers(0, 30), unique=True).map(lambda found: [(each // 3, f"id-{each}") for each in sorted(found)])


@given(ids, ids, ids)
def test_every_id_is_accounted_for(
    lake: list[tuple[int, str]], documents: list[tuple[int, str]], dead: list[tuple[int, str]]
) -> None:
    stored, indexed, set_aside = ({identity for _, identity in each} for each in (lake, documents, dead))
    found = compare(lake, documents, set_aside)
    assert set(found.missing.ids) == stored - indexed - set_aside
    assert set(found.extra.ids) == indexed - stored
    assert found.dead_letters == len((stored - indexed) & set_aside)
    assert (found.lake, found.documents) == (len(stored), len(indexed))
    assert found.lake + found.extra.count == found.documents + found.dead_letters + found.missing.count
    assert found.agrees == (stored - set_aside <= indexed <= stored)


def test_equal_counts_with_other_ids_differ() -> None:
    found = compare([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], ())
    assert (found.missing.ids, found.extra.ids) == (["b"], ["c"])


def test_an_id_in_two_indices_is_one_too_many() -> None:
    assert compare([(1, "a")], [(1, "a"), (1, "a")], ()).extra.ids == ["a"]


def test_of_very_many_only_the_count_is_kept() -> None:
    found = compare([(each, f"{each}") for each in range(SHOWN + 5)], [], ())
    assert (found.missing.count, len(found.missing.ids)) == (SHOWN + 5, SHOWN)


HOUR = Span(TEN, TEN + HOUR_MS)


def letter_about(value: bytes | None, partition: int = 0) -> Letter:
    return Letter(Original("data", partition, 7, b"key", value, []), "contract", "why", "", 0, 1)


def test_letters_are_known_by_id_where_they_decode_and_counted_by_partition_where_not() -> None:
    inside, outside = record(), record(slot_ms=TEN + HOUR_MS)
    other = record(source="binance")
    letters = [letter_about(encode(each)) for each in (inside, inside, outside, other)]
    letters += [letter_about(b"junk", 2), letter_about(None, 2), letter_about(b"", 1)]
    found = gather(letters, TICKER, HOUR, ["coingecko"])
    assert found.ids == {("coingecko", TEN): {document_id(inside)}}
    assert found.undecodable == {("data", 2): 2, ("data", 1): 1}
    assert found.of("binance", TEN) == ()
    assert ("binance", TEN) in gather(letters, TICKER, HOUR, None).ids


def test_an_unreadable_line_of_the_lake_is_recognised_by_its_bytes() -> None:
    found = gather([letter_about(b"junk")], TICKER, HOUR, None)
    assert found.has_line(b"junk")
    assert not found.has_line(b"other")
    assert not gather([letter_about(b"")], TICKER, HOUR, None).has_line(b"")


def replaced(*asked: Ticker) -> FakeDocuments:
    return FakeDocuments(list(asked), replaced=True)


def versions(asset: str, *minutes: int) -> list[Ticker]:
    return [record(asset, slot_ms=TEN + minute * 60_000, price=1.0 + minute) for minute in minutes]


@pytest.mark.parametrize("newest", [30, 90, 300], ids=["in the same hour", "in a later one", "after the range"])
def test_of_a_compacted_dataset_what_a_newer_document_has_replaced_is_no_difference(newest: int) -> None:
    store = MemoryStore()
    for each in versions("a", 0, 10, newest):
        store.put_records(each)
    result = run(store, replaced(*versions("a", newest)))
    assert result.agrees
    in_range = newest < 120
    assert sum(hour.lake for hour in result.hours.values()) == in_range
    assert sum(hour.documents for hour in result.hours.values()) == in_range


def test_of_a_compacted_dataset_an_older_document_is_a_difference_and_so_is_none() -> None:
    store = MemoryStore()
    for each in versions("a", 0, 10, 70):
        store.put_records(each)
    older = run(store, replaced(*versions("a", 10)))
    assert {hour: found.missing.count for (_, hour), found in older.hours.items()} == {TEN: 0, TEN + HOUR_MS: 1}
    none = run(store, replaced(*versions("b", 5)))
    assert sum(found.missing.count for found in none.hours.values()) == 3
    assert sum(found.extra.count for found in none.hours.values()) == 1


def test_the_documents_of_a_compacted_dataset_are_those_of_one_moment() -> None:
    """Else one that moves on to a later hour while it is compared would be missing in both."""
    store = MemoryStore()
    for each in versions("a", 0, 70):
        store.put_records(each)
    documents = replaced(*versions("a", 0, 70)[1:])
    assert run(store, documents).agrees
    assert documents.asked == [("coingecko", None)]
