"""The lake's records of a day, what the dead letters say of it, and how many documents the index has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.letters.reader import Letter
from cryptoproxy.datasets import Dataset, Feed, Part
from cryptoproxy.datasets.fields import SOURCE_PATTERN
from cryptoproxy.datasets.times import DAY_MS, Span, written
from cryptoproxy.lake.files import FileForm
from cryptoproxy.lake.form import Fault, ignore
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import WholeLake
from cryptoproxy.quality.day import Day, Quality, quality

_source = re.compile(SOURCE_PATTERN)
Violations = dict[tuple[str, str, str], Counter[str]]
"""By source, dataset and part: how many letters of each reason."""


class Indexed(NamedTuple):
    """Of a dataset and source: ids of the lake, documents. Where they differ, `reconcile` says which."""

    dataset: str
    source: str
    records: int
    documents: int


def violations(letters: Iterable[Letter], span: Span) -> Violations:
    """Of the letters that were set aside on that day: what broke a contract has no time of its own that could be
    trusted. Its source stands in the key, if anywhere."""
    date, found = written(span.begin_ms)[:10], Violations()
    for letter in letters:
        if letter.time[:10] == date:
            source = (letter.original.key or b"").decode(errors="replace").partition(":")[0]
            source = source if _source.fullmatch(source) else "unknown"
            found.setdefault((source, letter.dataset.name, letter.part), Counter())[letter.reason] += 1
    return found


def measured(
    store: Store,
    datasets: Sequence[Dataset[Any]],
    span: Span,
    *,
    sources: Sequence[str],
    broken: Violations,
    report: Callable[[Fault], None] = ignore,
) -> Iterator[Quality]:
    """A row for each source and part that the lake or a dead letter has anything of on the day or the day before.

    Args:
        span: the day, up to now if it is not over.
        sources: only these; all if there are none.
        report: told of what cannot be read.

    Raises:
        TransientError, OperatorError: the lake cannot be read.
    """
    for dataset in datasets:
        for part in dataset.parts.values():
            lake = _Lake(store, dataset, part)
            letters = {source for source, name, own in broken if (name, own) == (dataset.name, part.name)}
            for source in sorted({*lake.whole.sources(), *letters}):
                if sources and source not in sources:
                    continue
                said: dict[str, int] = broken.get((source, dataset.name, part.name), Counter())
                row = lake.quality(source, span, said, report)
                if row.records or row.violations or row.unreadable or row.expected:
                    yield row


class _Lake:
    """Of one part of a dataset."""

    def __init__(self, store: Store, dataset: Dataset[Any], part: Part) -> None:
        self._dataset, self._part = dataset, part
        self._raw = RawForm(store, dataset, part)
        self.whole = WholeLake(FileForm(store, dataset, part), self._raw, part)

    def quality(self, source: str, span: Span, broken: dict[str, int], report: Callable[[Fault], None]) -> Quality:
        day, unreadable = Day(self._dataset, self._part.name, span), 0

        def count(fault: Fault) -> None:
            nonlocal unreadable
            unreadable += 1
            report(fault)

        before = Span(span.begin_ms - DAY_MS, span.begin_ms)
        if hours := self.whole.hours(source, before):
            for record in self.whole.records(source, Span(hours[-1], before.end_ms), ignore):
                day.before(record)
        copies = self._raw.copies
        for record in self.whole.records(source, span, count):
            day.see(record)
        day.end()
        return quality(
            day,
            feed=Feed(source, self._dataset.name, self._part.name).name,
            source=source,
            duplicates=self._raw.copies - copies,
            unreadable=unreadable,
            violations=dict(broken),
        )


def indexed(
    rows: Sequence[Quality], dataset: Dataset[Any], documents: Documents, span: Span, sources: Sequence[str]
) -> list[Indexed]:
    """How many ids of the day the lake has, and how many documents there are."""
    there: Counter[str] = Counter()
    for (source, _), count in documents.counts(span, list(sources) or None).items():
        there[source] += count
    lake: Counter[str] = Counter()
    for row in rows:
        if row.dataset == dataset.name:
            lake[row.source] += row.records
    return [Indexed(dataset.name, source, lake[source], there[source]) for source in sorted(lake | there)]
