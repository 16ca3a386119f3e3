"""Both forms of the lake as one: each id once, whether it is in a day's file, in raw objects, or in both.

What is read may be replaced while it is read: a day's raw objects may be removed after they were compacted, a day's
file when a newer one took its place. Then the rest is read anew, from the slot that comes next.

Two pollers that ran at once (the holder of the lease was cut off) have each stored their poll of a slot. Here the copy
with the smallest ``fetched_at`` is taken. The index keeps the copy that came first, which may be the other one
(docs/promise.md).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import Fault, Form, Stored
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import MissingObjectError, Store

TRIES = 100
"""So often something may vanish between being listed and being read before that is said. While a compaction removes a
day's objects one by one, several in a row do."""


class WholeLake:
    """See :class:`lake.form.Form`."""

    def __init__(self, daily: Form, raw: Form) -> None:
        # Raw first: its objects go only after the day's file has come, so what is not seen there is seen here.
        self._forms = (raw, daily)

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
            if each.fetched_before(kept.setdefault(each.id, each)):
                kept[each.id] = each
        return iter(kept.values())


def whole_lake(store: Store, dataset: Dataset[Any] = TICKER) -> WholeLake:
    """Both forms of a dataset."""
    from cryptoproxy.lake.daily import DailyForm  # brings pyarrow, which most commands do without

    return WholeLake(DailyForm(store, dataset), RawForm(store, dataset))
