"""Both forms of the lake as one: each id once, whether it is in a day's file, in raw objects, or in both.

What is read may be replaced while it is read: a day's raw objects may be removed after they were compacted, a day's
file when a newer one took its place. Then the rest is read anew, from the slot that comes next.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from cryptoproxy.common.errors import PoisonError
from cryptoproxy.common.record import decode
from cryptoproxy.lake.archive import Archive, Fault, Stored
from cryptoproxy.lake.raw import RawArchive
from cryptoproxy.lake.span import Span
from cryptoproxy.lake.store import MissingObjectError, Store

TRIES = 100
"""So often something may vanish between being listed and being read before that is said. While a compaction removes a
day's objects one by one, several in a row do."""


class WholeLake:
    """See :class:`lake.archive.Archive`."""

    def __init__(self, daily: Archive, raw: Archive, *, now_ms: Callable[[], int]) -> None:
        # Raw first: its objects go only after the day's file has come, so what is not seen there is seen here.
        self._forms = (raw, daily)
        self._now_ms = now_ms

    def sources(self) -> list[str]:
        return sorted({source for form in self._forms for source in form.sources()})

    def hours(self, source: str, span: Span) -> list[int]:
        for tries in range(1, TRIES + 1):
            try:
                return sorted({hour for form in self._forms for hour in form.hours(source, span)})
            except MissingObjectError:
                if tries == TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        said: set[tuple[str, int | None]] = set()

        def report_once(fault: Fault) -> None:
            if (fault.key, fault.number) not in said:
                said.add((fault.key, fault.number))
                report(fault)

        for hour in span.hours():
            yield from self._hour(source, span.cut(hour), report_once)

    def _hour(self, source: str, part: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """Within an hour nothing is listed but at its begin, both forms in their order."""
        begin, tries = part.begin_ms, 0
        while True:
            streams = [form.records(source, Span(begin, part.end_ms), report) for form in self._forms]
            try:
                for slot_ms, group in groupby(heapq.merge(*streams, key=attrgetter("slot_ms")), attrgetter("slot_ms")):
                    yield from self._each_once(group)
                    begin, tries = slot_ms + 1, 0
            except MissingObjectError:
                tries += 1
                if tries == TRIES:
                    raise
            else:
                return

    def _each_once(self, group: Iterator[Stored]) -> Iterator[Stored]:
        kept: dict[str, Stored] = {}
        for each in group:
            other = kept.setdefault(each.id, each)
            if other.line != each.line and self._fetched_at(each) < self._fetched_at(other):
                kept[each.id] = each
        return iter(kept.values())

    def _fetched_at(self, stored: Stored) -> str:
        try:
            return decode(stored.line).fetched_at
        except PoisonError as error:
            raise PoisonError(error.reason, f"{stored.key} line {stored.number}: {error}") from error


@contextmanager
def whole_lake(store: Store, *, now_ms: Callable[[], int]) -> Iterator[WholeLake]:
    """The lake with a folder of its own for what it has to fetch."""
    from cryptoproxy.lake.daily import DailyArchive  # brings pyarrow, which most commands do without

    with tempfile.TemporaryDirectory(prefix="cryptoproxy-lake-") as scratch:
        daily = DailyArchive(store, Path(scratch))
        try:
            yield WholeLake(daily, RawArchive(store, now_ms=now_ms), now_ms=now_ms)
        finally:
            daily.close()
