"""The raw form of the lake: an object per poll, per minute of polls, or per page of history.

Each id once at a slot, with the smallest ``fetched_at``. Damage is reported and passed over instead of ending the
reading. An object holds no slot before that of its name, so what lies before the next object's first slot is complete:
of polls no more than one or two objects are in memory. It holds none beyond its hour, unless its name tells the last
slot, and none beyond the file of its first: so what may hold a slot is found among the names of one period.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset, Part, from_iso, iso
from cryptoproxy.datasets.dataset import EVER
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span, slot_of
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.form import Fault, Stored, ignore
from cryptoproxy.lake.objects import RAW, day_of, folder, lines_of, slots_of
from cryptoproxy.lake.store import MissingObjectError, Store

WHOLE = Part()
"""Of a dataset without parts."""
LONG_OBJECTS = 500
"""Pages of history that are kept as they were read, some 50 KB each: each is asked for many hours."""


class RawForm:
    """See :class:`lake.form.Form`.

    Args:
        only: these objects, as far as they are still there, whatever else is.
    """

    def __init__(
        self, store: Store, dataset: Dataset[Any] = TICKER, part: Part = WHOLE, *, only: Collection[str] | None = None
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._part = part
        self._only = only
        self._long = lru_cache(LONG_OBJECTS)(store.get)
        self.copies = 0
        """Of ids that :meth:`records` has seen before: two pollers at once, a page of history asked twice."""

    def sources(self) -> list[str]:
        folders = self._store.folders(self._folder())
        return [name.removeprefix("source=") for name in folders if name.startswith("source=")]

    def days(self, source: str, span: Span = EVER) -> set[int]:
        """The begins of the days of ``span`` that have objects, told by the folders alone."""
        days = map(day_of, self._store.folders(self._folder(source)))
        return {day_ms for day_ms in days if day_ms is not None and not span.cut(day_ms, DAY_MS).empty}

    def keys(self, source: str, span: Span) -> list[str]:
        """The objects that may hold anything of ``span``, which is within one file's; the oldest first."""
        return [key for key, _ in self._objects(source, span)]

    def hours(self, source: str, span: Span) -> list[int]:
        begin = self._part.file_span(span.begin_ms).begin_ms
        found: set[int] = set()
        for period in {self._part.file_span(day_ms) for day_ms in self.days(source, Span(begin, span.end_ms))}:
            for key, holds in self._objects(source, span.cut(period.begin_ms, period.length_ms)):
                found.add(holds.begin_ms)
                if holds.end_ms > slot_of(holds.begin_ms, HOUR_MS) + HOUR_MS:
                    # A page of history, of days with one bar each.
                    found |= {stored.slot_ms for stored in self._lines(key, holds, ignore)}
        hours = {slot_of(slot_ms, HOUR_MS) for slot_ms in found}
        return sorted(hour_ms for hour_ms in hours if not span.cut(hour_ms).empty)

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        for step in self._part.steps(span):
            yield from self._within(source, step, report)

    def _within(self, source: str, step: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        copies: dict[tuple[int, str], Stored] = {}
        """By slot and id: a compacted dataset has an id at many slots."""
        for key, holds in self._objects(source, step):
            yield from _take_before(copies, holds.begin_ms)
            for stored in self._lines(key, holds, report):
                if stored.slot_ms not in step:
                    continue
                place = stored.slot_ms, stored.id
                kept = copies.setdefault(place, stored)
                self.copies += kept is not stored
                if stored.fetched_at < kept.fetched_at:
                    copies[place] = stored
        yield from _take_before(copies, step.end_ms)

    def _objects(self, source: str, span: Span) -> list[tuple[str, Span]]:
        """(key, slots that it may hold) of what may hold anything of ``span``; all is listed before any is read."""
        period = self._part.file_of(iso(span.begin_ms))
        end_ms = self._part.file_span(span.begin_ms).end_ms
        there = self._store.keys(f"{self._folder(source)}dt={period}") if self._only is None else sorted(self._only)
        found = []
        for key in there:
            if (holds := slots_of(key)) is None:
                continue
            if holds.begin_ms >= span.end_ms:
                break
            if span.begin_ms < holds.end_ms:
                found.append((key, Span(holds.begin_ms, min(holds.end_ms, end_ms))))
        return found

    def _folder(self, source: str | None = None) -> str:
        return folder(self._store.settings.prefix, self._dataset.name, RAW, source, part=self._part.name)

    def _lines(self, key: str, holds: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """The lines that are records; ``holds`` are the slots that the object may hold."""
        try:
            body = self._long(key) if holds.length_ms > HOUR_MS else self._store.get(key)
        except MissingObjectError:
            if self._only is None:
                raise
            return
        try:
            lines = lines_of(key, body)
        except PoisonError as error:
            report(Fault(key, None, error.reason, str(error)))
            return
        for number, line in enumerate(lines, start=1):
            try:
                record = self._dataset.codec.decode(line)
            except PoisonError as error:
                report(Fault(key, number, error.reason, str(error), line))
                continue
            slot_ms = from_iso(record.timestamp)
            if slot_ms not in holds:
                said = f"its slot {record.timestamp} is not among those of this object"
                report(Fault(key, number, "misplaced", said, line))
                continue
            yield Stored(self._dataset.id_of(record), slot_ms, record.fetched_at, line, key, number)


def _take_before(copies: dict[tuple[int, str], Stored], end_ms: int) -> list[Stored]:
    """Takes out what no further object can hold a copy of, the oldest first."""
    found = sorted(place for place in copies if place[0] < end_ms)
    return [copies.pop(place) for place in found]
