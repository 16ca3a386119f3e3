"""Ids in the lake = documents + dead letters, by source and hour.

Every id is looked at. On demand (``quick``) hours whose counts agree and that no dead letter is about are taken as
equal: one record that is missing and another that is too many cancel out there. What is younger than a grace is left
out: it may still be on its way. Of a compacted dataset the newest record of each id counts, and what it has replaced is
no difference.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.backfill.newest import NewestDocuments
from cryptoproxy.consumer.backfill.progress import Display
from cryptoproxy.consumer.letters.reader import Letter
from cryptoproxy.datasets import Dataset, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError, PoisonError
from cryptoproxy.lake.form import Fault, Form

SHOWN = 1_000
"""Of the ids that differ in an hour, so many are kept; all are counted."""

Ids = Iterable[tuple[int, str]]
"""(slot, id), the oldest slot first."""


class UnknownSourceError(OperatorError):
    """Nothing is there of a source that was named; of another dataset something may be."""


@dataclass(slots=True)
class Some:
    """A count, and the first of what was counted."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, identity: str) -> None:
        self.count += 1
        if len(self.ids) < SHOWN:
            self.ids.append(identity)


@dataclass(slots=True)
class Difference:
    """Of one source and hour."""

    lake: int = 0
    documents: int = 0
    dead_letters: int = 0
    """In the lake, not a document, but a dead letter: accounted for."""
    missing: Some = field(default_factory=Some)
    """In the lake, neither a document nor a dead letter. A replay mends it."""
    extra: Some = field(default_factory=Some)
    """Documents that the lake does not have, or that stand in two indices."""

    @property
    def agrees(self) -> bool:
        return not self.missing.count and not self.extra.count


def compare(lake: Ids, documents: Ids, dead: Collection[str]) -> Difference:
    """What of ``lake`` is accounted for. The lake's ids are distinct; a document's may come twice."""
    found = Difference()
    both = heapq.merge(((*each, True) for each in lake), ((*each, False) for each in documents), key=itemgetter(0))
    for _, of_slot in groupby(both, itemgetter(0)):
        kept: set[str] = set()
        indexed: Counter[str] = Counter()
        for _, identity, in_lake in of_slot:
            if in_lake:
                kept.add(identity)
            else:
                indexed[identity] += 1
        found.lake += len(kept)
        found.documents += indexed.total()
        for identity in sorted(kept - indexed.keys()):
            if identity in dead:
                found.dead_letters += 1
            else:
                found.missing.add(identity)
        for identity in sorted((indexed - Counter(kept)).elements()):
            found.extra.add(identity)
    return found


@dataclass(slots=True)
class DeadIds:
    """Of a range."""

    ids: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """By source and begin of the hour."""
    undecodable: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By topic and partition of the original: how many have no id. They have no slot, so these are of all times."""
    lines: set[bytes] = field(default_factory=set)
    """SHA-256 of those without an id: a line of the lake that cannot be read may be a dead letter all the same."""

    def of(self, source: str, hour_ms: int) -> Collection[str]:
        return self.ids.get((source, hour_ms), ())

    def has_line(self, line: bytes) -> bool:
        return bool(line) and hashlib.sha256(line).digest() in self.lines


def gather(letters: Iterable[Letter], dataset: Dataset[Any], span: Span, sources: Collection[str] | None) -> DeadIds:
    """The dead letters that are about records of this dataset and ``span``."""
    found = DeadIds()
    for letter in letters:
        if letter.dataset is not dataset:
            continue
        value = letter.original.value
        try:
            record = dataset.codec.decode(value)
        except PoisonError:
            found.undecodable[letter.original.topic, letter.original.partition] += 1
            if value:
                found.lines.add(hashlib.sha256(value).digest())
            continue
        slot_ms = from_iso(record.timestamp)
        if slot_ms in span and (sources is None or record.source in sources):
            hour = slot_ms - slot_ms % HOUR_MS
            found.ids.setdefault((record.source, hour), set()).add(dataset.id_of(record))
    return found


@dataclass(slots=True)
class Reconciled:
    """What a range comes to."""

    span: Span
    hours: dict[tuple[str, int], Difference] = field(default_factory=dict)
    """By source and begin of the hour, in this order."""
    faults: list[Fault] = field(default_factory=list)
    """What of the lake cannot be read, so that nothing is proved of it."""
    dead: DeadIds = field(default_factory=DeadIds)
    quick: bool = False
    """Hours whose counts agree were taken as equal."""

    @property
    def agrees(self) -> bool:
        return not self.faults and all(hour.agrees for hour in self.hours.values())


def reconcile(
    archive: Form,
    documents: Documents,
    dead: DeadIds,
    *,
    span: Span,
    sources: Sequence[str] | None,
    quick: bool,
    display: Display,
) -> Reconciled:
    """Compares all of ``span``.

    Raises:
        TransientError, OperatorError: one of the two sides cannot be read.
    """
    result = Reconciled(span, dead=dead, quick=quick)
    if span.empty:
        return result
    documents.refresh()
    newest = NewestDocuments(documents, sources) if documents.replaced else None
    counts = documents.counts(span, sources) if newest is None else newest.counts(span)
    there = archive.sources()
    wanted = there if sources is None else sources
    if unknown := sorted(set(wanted) - set(there) - {source for source, _ in counts}):
        raise UnknownSourceError(
            f"neither lake nor index has anything of {', '.join(unknown)}",
            remedy=f"The lake knows {', '.join(there) or 'no source'}",
        )
    places = sorted({(each, hour) for each in wanted for hour in archive.hours(each, span)} | counts.keys())
    display.begin(len(places))

    said: set[tuple[str, int | None]] = set()

    def report(fault: Fault) -> None:
        if (fault.key, fault.number) not in said and not dead.has_line(fault.line):
            said.add((fault.key, fault.number))
            result.faults.append(fault)
            display.say(f"poison: {str(fault)[:1000]}")

    for source, hour in places:
        part, count = span.cut(hour), counts.get((source, hour), 0)
        if quick and not dead.of(source, hour) and sum(1 for _ in archive.records(source, part, report)) == count:
            difference = Difference(count, count)
        else:
            ids: Ids = ((each.slot_ms, each.id) for each in archive.records(source, part, report))
            if newest is not None:
                ids = newest.unreplaced(source, ids)
            difference = compare(ids, (newest or documents).ids(source, part), dead.of(source, hour))
        result.hours[source, hour] = difference
        display.records(difference.lake)
        display.hour_done(source, hour)
    return result
