"""Both forms of the lake as one: each id once, whether it is in a file, in raw objects, or in both.

What is read may be replaced while it is read: raw objects may be removed after they were compacted, a
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
from typing import TYPE_CHECKING, Any

from cryptoproxy.datasets import TICKER, Dataset, Part
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import Fault, Form, Stored
from cryptoproxy.lake.objects import RAW, folder
from cryptoproxy.lake.raw import WHOLE, RawForm
from cryptoproxy.lake.store import MissingObjectError, Store

if TYPE_CHECKING:
    from cryptoproxy.lake.table import Table

TRIES = 100
"""So often something may vanish between being listed and being read before that is said. While a compaction removes a
period's objects one by one, several in a row do."""


class WholeLake:
    """See :class:`lake.form.Form`."""

    def __init__(self, files: Form, raw: Form, part: Part = WHOLE) -> None:
        # Raw first: its objects go only after their file has come, so what is not seen there is seen here.
        self._forms = (raw, files)
        self._part = part

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

        for step in self._part.steps(span):
            yield from self._step(source, step, report_once)

    def _step(self, source: str, step: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """Within a step nothing is listed but at its begin, both forms in their order."""
        begin, tries = step.begin_ms, 0
        while True:
            streams = [form.records(source, Span(begin, step.end_ms), report) for form in self._forms]
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
            if each.fetched_at < kept.setdefault(each.id, each).fetched_at:
                kept[each.id] = each
        return iter(kept.values())


class AllParts:
    """The parts of a dataset as one; see :class:`lake.form.Form`. No two have an id in common."""

    def __init__(self, there: Callable[[], list[Form]]) -> None:
        self._there = there

    def sources(self) -> list[str]:
        return sorted({source for form in self._there() for source in form.sources()})

    def hours(self, source: str, span: Span) -> list[int]:
        return sorted({hour for form in self._there() for hour in form.hours(source, span)})

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        streams = [form.records(source, span, report) for form in self._there()]
        return heapq.merge(*streams, key=attrgetter("slot_ms"))


def whole_lake(store: Store, dataset: Dataset[Any] = TICKER, part: str | None = None) -> Form:
    """Both forms of a part, or of all parts of a dataset."""
    from cryptoproxy.lake.files import FileForm  # brings pyarrow, which most commands do without
    from cryptoproxy.lake.table import Table

    parts = {
        name: WholeLake(FileForm(store, dataset, each), RawForm(store, dataset, each), each)
        for name, each in dataset.parts.items()
    }
    if part is not None:
        return parts[part]
    if len(parts) == 1:
        return next(iter(parts.values()))
    table = Table(store, dataset)
    return AllParts(lambda: [parts[part.name] for part in held_parts(store, dataset, table)])


def held_parts(store: Store, dataset: Dataset[Any], table: Table) -> list[Part]:
    """The parts that anything is there of; the one part of a dataset without any."""
    if len(dataset.parts) == 1:
        return list(dataset.parts.values())
    # In this order: what a compaction moves meanwhile is seen in one of them.
    raw = set(store.folders(folder(store.settings.prefix, dataset.name, RAW)))
    held = raw | {file.part for file in table.files()}
    return [part for name, part in dataset.parts.items() if name in held]
