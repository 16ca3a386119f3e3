"""What of the lake a question reads: compacted files as they are, and the rest record by record, each id once.

A day's files are read as they are where nothing else is there of that day, or the raw objects that are there are those
that they were made of. Any other day is read by ``lake.whole``, which has each id once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, Span, slot_of
from cryptoproxy.lake.compact import made_of_objects
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import RAW, days_in, first_slot, folder
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table
from cryptoproxy.lake.whole import whole_lake

ALWAYS = Span(0, 253_402_300_799_000)


@dataclass(slots=True)
class Holding:
    """``files`` are keys; ``loose`` are days to be read record by record."""

    files: list[str] = field(default_factory=list)
    loose: list[tuple[str, Span]] = field(default_factory=list)


class Holdings:
    """Every method raises TransientError or OperatorError while the lake cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = store.settings.prefix

    def sources(self, dataset: Dataset[Any]) -> list[str]:
        if dataset is not TICKER:
            return []
        return whole_lake(self._store, dataset).sources()

    def days(self, dataset: Dataset[Any], source: str, span: Span = ALWAYS) -> set[int]:
        """The begins of the days that it has anything of."""
        if dataset is not TICKER:
            return set()
        return {*self._daily(dataset, source, span), *self._raw(dataset, source, span)}

    def of(self, dataset: Dataset[Any], sources: list[str], span: Span) -> Holding:
        found = Holding()
        for source in sources if dataset is TICKER else ():
            daily, raw = self._daily(dataset, source, span), self._raw(dataset, source, span)
            for day_ms in sorted({*daily, *raw}):
                keys = daily.get(day_ms, [])
                if keys and (day_ms not in raw or self._holds(dataset, source, day_ms)):
                    found.files += keys
                else:
                    found.loose.append((source, span.cut(day_ms, DAY_MS)))
        return found

    def lines(self, source: str, span: Span) -> Iterator[bytes]:
        """Each id once.

        Raises:
            PoisonError: something there is damaged.
        """
        for stored in whole_lake(self._store).records(source, span, refuse):
            yield stored.line

    def _daily(self, dataset: Dataset[Any], source: str, span: Span) -> dict[int, list[str]]:
        found: dict[int, list[str]] = defaultdict(list)
        for file in Table(self._store, dataset).files(source, span):
            found[slot_of(file.begin_ms, DAY_MS)].append(file.key)
        return found

    def _raw(self, dataset: Dataset[Any], source: str, span: Span) -> set[int]:
        folders = self._store.folders(folder(self._prefix, dataset.name, RAW, source))
        return {day_ms for _, day_ms in days_in(folders, span)}

    def _holds(self, dataset: Dataset[Any], source: str, day_ms: int) -> bool:
        """Whether the files were made of the very objects that are there."""
        there = self._store.keys(folder(self._prefix, dataset.name, RAW, source, iso(day_ms)[:10]))
        names = [each for each in there if first_slot(each) is not None]
        return Table(self._store, dataset).made_of(source, Span(day_ms, day_ms + DAY_MS)) == made_of_objects(names)
