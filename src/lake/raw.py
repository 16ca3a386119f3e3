"""The raw form of the lake: an object per poll, per minute of polls, or per page of history.

Each id once at a slot, with the smallest ``fetched_at``. Damage is reported and passed over instead of ending the
reading. An object holds no slot before that of its name, so what lies before the next object's first slot is complete:
of polls no more than one or two objects are in memory. It holds none beyond its hour, unless its name tells the last
slot, and none beyond the file of its first: so what may hold a slot is found among the names of one period.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset, Part, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.form import Fault, Stored, ignore
from cryptoproxy.lake.objects import days_in, lines_of, period_folders, raw_folder, slots_of, sources_in
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
        return sources_in(self._store.folders(self._folder()))

    def keys(self, source: str, span: Span) -> list[str]:
        """The objects that may hold anything of ``span``, which is within one file's; the oldest first."""
        if self._only is not None:
            there: Iterable[str] = sorted(self._only)
        else:
            there = self._store.keys(self._period(source, span.begin_ms))
        found = []
        for key in there:
            holds = slots_of(key)
            if holds is not None and holds.begin_ms >= span.end_ms:
                break
            if holds is not None and span.begin_ms < holds.end_ms:
                found.append(key)
        return found

    def hours(self, source: str, span: Span) -> list[int]:
        begin = self._part.file_span(span.begin_ms).begin_ms
        days = days_in(self._store.folders(self._folder(source)), Span(begin, span.end_ms))
        found: set[int] = set()
        for period in {self._part.file_span(day_ms) for _, day_ms in days}:
            for key in self._store.keys(self._period(source, period.begin_ms)):
                holds = slots_of(key)
                if holds is None or not span.touches(holds):
                    continue
                if holds.end_ms <= holds.begin_ms - holds.begin_ms % HOUR_MS + HOUR_MS:
                    found.add(holds.begin_ms)
                else:  # a page of history, of days with one bar each
                    found |= {holds.begin_ms, *(stored.slot_ms for _, stored in self._lines(key, holds, ignore))}
        hours = {slot_ms - slot_ms % HOUR_MS for slot_ms in found}
        return sorted(hour_ms for hour_ms in hours if not span.cut(hour_ms).empty)

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        for step in self._part.steps(span):
            begin_ms = step.begin_ms
            while begin_ms < step.end_ms:
                period = self._part.file_span(begin_ms)
                end_ms = min(step.end_ms, period.end_ms)
                yield from self._within(source, Span(begin_ms, end_ms), period, report)
                begin_ms = end_ms

    def _within(self, source: str, span: Span, period: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        copies: dict[tuple[int, str], tuple[str, Stored]] = {}
        """By slot and id: a compacted dataset has an id at many slots."""
        for key in self.keys(source, span):
            holds = slots_of(key) or span
            yield from _take_before(copies, holds.begin_ms)
            for fetched_at, stored in self._lines(key, Span(holds.begin_ms, min(holds.end_ms, period.end_ms)), report):
                if stored.slot_ms not in span:
                    continue
                place = stored.slot_ms, stored.id
                kept = copies.get(place)
                self.copies += kept is not None
                if kept is None or fetched_at < kept[0]:
                    copies[place] = (fetched_at, stored)
        yield from _take_before(copies, span.end_ms)

    def _folder(self, source: str | None = None) -> str:
        return raw_folder(self._store.settings.prefix, self._dataset.name, self._part, source)

    def _period(self, source: str, at_ms: int) -> str:
        return period_folders(self._store.settings.prefix, self._dataset.name, self._part, source, at_ms)

    def _lines(self, key: str, holds: Span, report: Callable[[Fault], None]) -> Iterator[tuple[str, Stored]]:
        """(fetched_at, record) of each line that is a record; ``holds`` are the slots that the object may hold."""
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
            yield record.fetched_at, Stored(self._dataset.id_of(record), slot_ms, line, key, number)


def _take_before(copies: dict[tuple[int, str], tuple[str, Stored]], end_ms: int) -> list[Stored]:
    """Takes out what no further object can hold a copy of, the oldest first."""
    found = [stored for _, stored in copies.values() if stored.slot_ms < end_ms]
    for stored in found:
        del copies[stored.slot_ms, stored.id]
    return sorted(found, key=lambda stored: stored.slot_ms)
