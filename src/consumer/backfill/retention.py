"""Removes whole index periods that are old enough, and only where the lake has every single document, id by id.

Counts are no proof: a record that the lake never had and another one that the index never had cancel out. The ids of
an hour of a source are read from both sides in the order of their slots, and compared exactly; one slot is in memory.

A command of its own with rights of its own: neither poller nor indexer can delete anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.backfill.progress import Display
from cryptoproxy.consumer.backfill.reconcile import Some, compare
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.lake.form import Fault, Form

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OldIndex:
    """What becomes of one index that is old enough."""

    index: str
    documents: int = 0
    """As counted after the comparison."""
    compared: int = 0
    """Documents that were held against the lake."""
    lacking: Some = field(default_factory=Some)
    """Of these, what the lake does not have."""
    foreign: int = 0
    """Documents without source or time, or of another time than the index's name says."""
    damaged: int = 0
    """Objects of the lake, of the same hours, that cannot be read."""

    @property
    def in_lake(self) -> int:
        """Documents whose very ids the lake has."""
        return self.compared - self.lacking.count

    @property
    def remove(self) -> bool:
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why it is kept; empty where every document can be had from the lake again."""
        if self.lacking.count:
            damage = f"; damaged objects there: {self.damaged}" if self.damaged else ""
            return f"the lake lacks {self.lacking.count} of them, for example {self.lacking.ids[0]}{damage}"
        if self.foreign:
            return f"{self.foreign} of them are not of its time, or have no source or time at all"
        if self.documents != self.compared:
            return f"{self.compared} were there when it was compared: something writes to it; run this again"
        return ""


def due(indices: Mapping[str, Span], *, keep_ms: int, now_ms: int) -> list[tuple[str, Span]]:
    """The indices whose whole period is older than ``keep_ms``, the oldest first; never one that may still grow."""
    return sorted(
        ((name, span) for name, span in indices.items() if span.end_ms <= now_ms - keep_ms and span.end_ms <= now_ms),
        key=lambda each: each[1],
    )


class Retention:
    """Looks at each period that is due, and removes its index unless it is a dry run."""

    def __init__(self, archive: Form, documents: Documents, display: Display) -> None:
        self._archive = archive
        self._documents = documents
        self._display = display

    def run(self, *, keep_ms: int, now_ms: int, dry_run: bool) -> Iterator[OldIndex]:
        """What became of each; it is done by then.

        Raises:
            TransientError, OperatorError: the lake or Elasticsearch cannot be read. Nothing more is removed.
        """
        old = due(self._documents.indices(), keep_ms=keep_ms, now_ms=now_ms)
        if not old:
            return
        self._documents.refresh()
        hours = {name: self._documents.counts(None, None, name) for name, _ in old}
        self._display.begin(sum(map(len, hours.values())))
        for name, span in old:
            index = self._compared(name, span, hours[name])
            if index.remove and not dry_run:
                self._documents.delete(name)
                log.info("removed index %s (%s, %d documents)", name, span, index.documents)
            yield index

    def _compared(self, index: str, span: Span, places: Mapping[tuple[str, int], int]) -> OldIndex:
        """Every document of ``index`` against the lake, by source and hour."""
        old = OldIndex(index)
        damaged: set[str] = set()

        def report(fault: Fault) -> None:
            damaged.add(fault.key)
            self._display.say(f"poison: {str(fault)[:1000]}")

        old.foreign = self._documents.count(index) - sum(places.values())
        for source, hour in sorted(places, key=lambda place: (place[1], place[0])):
            part = Span(hour, hour + HOUR_MS)
            ids = ((each.slot_ms, each.id) for each in self._archive.records(source, part, report))
            difference = compare(ids, self._documents.ids(source, part, index), ())
            old.compared += difference.documents
            old.lacking.count += difference.extra.count
            old.lacking.ids = (old.lacking.ids + difference.extra.ids)[:1]
            old.foreign += 0 if hour in span else difference.documents
            self._display.records(difference.documents)
            self._display.hour_done(source, hour)
        # Counted last: reading the lake takes long, and what a replay wrote meanwhile was not compared.
        self._documents.refresh(index)
        old.documents = self._documents.count(index)
        old.damaged = len(damaged)
        return old
