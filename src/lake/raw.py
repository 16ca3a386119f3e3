"""The raw form of the lake: an object per poll, or per minute of polls.

Each id once, with the smallest ``fetched_at``. Damage is reported and passed over instead of ending the reading, and
no more than one or two objects are in memory: an object holds no slot before that of its name, so what lies before the
next object's first slot is complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.form import Fault, Stored
from cryptoproxy.lake.objects import RAW, days_in, first_slot, folder, lines_of, sources_in
from cryptoproxy.lake.store import MissingObjectError, Store

_HOUR = re.compile(r"hour=([01]\d|2[0-3])\Z")


class RawForm:
    """See :class:`lake.form.Form`.

    Args:
        only: these objects, as far as they are still there, whatever else is.
    """

    def __init__(self, store: Store, dataset: Dataset[Any] = TICKER, *, only: Collection[str] | None = None) -> None:
        self._store = store
        self._dataset = dataset
        self._only = only

    def sources(self) -> list[str]:
        return sources_in(self._store.folders(folder(self._store.settings.prefix, self._dataset.name, RAW)))

    def keys(self, source: str, hour_ms: int) -> list[str]:
        """The objects of one hour, oldest first. No object reaches beyond the hour of its first slot."""
        time = iso(hour_ms)
        base = folder(self._store.settings.prefix, self._dataset.name, RAW, source, time[:10]) + f"hour={time[11:13]}/"
        found = self._store.keys(base)
        return [key for key in found if first_slot(key) is not None and (self._only is None or key in self._only)]

    def hours(self, source: str, span: Span) -> list[int]:
        base = folder(self._store.settings.prefix, self._dataset.name, RAW, source)
        found = (
            day_ms + int(hour[1]) * HOUR_MS
            for day, day_ms in days_in(self._store.folders(base), span)
            for hour in map(_HOUR.match, self._store.folders(f"{base}{day}/"))
            if hour is not None
        )
        return sorted(hour_ms for hour_ms in found if not span.cut(hour_ms).empty)

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        for hour in span.hours():
            part = span.cut(hour)
            copies: dict[str, tuple[str, Stored]] = {}
            for key in self.keys(source, hour):
                first = first_slot(key) or 0
                yield from _take_before(copies, first)
                for fetched_at, stored in self._lines(key, Span(first, hour + HOUR_MS), report):
                    kept = copies.get(stored.id)
                    if stored.slot_ms in part and (kept is None or fetched_at < kept[0]):
                        copies[stored.id] = (fetched_at, stored)
            yield from _take_before(copies, hour + HOUR_MS)

    def _lines(self, key: str, holds: Span, report: Callable[[Fault], None]) -> Iterator[tuple[str, Stored]]:
        """(fetched_at, record) of each line that is a record; ``holds`` are the slots that the object may hold."""
        try:
            body = self._store.get(key)
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


def _take_before(copies: dict[str, tuple[str, Stored]], end_ms: int) -> list[Stored]:
    """Takes out what no further object can hold a copy of, the oldest first."""
    found = [stored for _, stored in copies.values() if stored.slot_ms < end_ms]
    for stored in found:
        del copies[stored.id]
    return sorted(found, key=lambda stored: stored.slot_ms)
