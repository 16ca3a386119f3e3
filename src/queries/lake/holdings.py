"""What of the lake a question reads: compacted files as they are, and the rest record by record, each id once.

A day's files are read as they are where nothing else is there of that day, or the raw objects that are there are those
that they were made of. Any other day is read by ``lake.whole``, which has each id once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.datasets import Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.compact import made_of_objects
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import RAW, days_in, first_slot, folder, sources_in
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import File, Table
from cryptoproxy.lake.whole import whole_lake

ALWAYS = Span(0, 253_402_300_799_000)


@dataclass(slots=True)
class Plan:
    """``files`` are keys; ``loose`` are days to be read record by record."""

    files: list[str] = field(default_factory=list)
    loose: list[tuple[str, Span]] = field(default_factory=list)


class Holdings:
    """Every method raises TransientError or OperatorError while the lake cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables: dict[str, Table] = {}

    def sources(self, dataset: Dataset[Any]) -> list[str]:
        raw = sources_in(self._store.folders(folder(self._store.settings.prefix, dataset.name, RAW)))
        return sorted({*raw, *(file.source for file in self._table(dataset).files())})

    def days(self, dataset: Dataset[Any], source: str, span: Span = ALWAYS) -> set[int]:
        """The begins of the days that it has anything of."""
        files = self._table(dataset).files(source, span)
        return self._raw(dataset, source, span) | {day for file in files for day in _days_of(file) if _touch(day, span)}

    def of(self, dataset: Dataset[Any], sources: list[str], span: Span) -> Plan:
        found = Plan()
        for source in sources:
            files = self._table(dataset).files(source, span)
            compacted = {day for file in files for day in _days_of(file)}
            raw = self._raw(dataset, source, span)
            loose = {day for day in raw if day not in compacted or not self._holds(dataset, source, day)}
            # A file counts as a whole or not at all.
            while more := {day for file in files if loose & set(_days_of(file)) for day in _days_of(file)} - loose:
                loose |= more
            found.files += [file.key for file in files if not loose & set(_days_of(file))]
            found.loose += [(source, span.cut(day, DAY_MS)) for day in sorted(loose) if _touch(day, span)]
        return found

    def lines(self, dataset: Dataset[Any], source: str, span: Span) -> Iterator[bytes]:
        """Each id once.

        Raises:
            PoisonError: something there is damaged.
        """
        return (stored.line for stored in whole_lake(self._store, dataset).records(source, span, refuse))

    def _table(self, dataset: Dataset[Any]) -> Table:
        return self._tables.setdefault(dataset.name, Table(self._store, dataset))

    def _raw(self, dataset: Dataset[Any], source: str, span: Span) -> set[int]:
        base = folder(self._store.settings.prefix, dataset.name, RAW, source)
        return {day_ms for _, day_ms in days_in(self._store.folders(base), span)}

    def _holds(self, dataset: Dataset[Any], source: str, day_ms: int) -> bool:
        """Whether the day's files were made of the very objects that are there."""
        there = self._store.keys(folder(self._store.settings.prefix, dataset.name, RAW, source, iso(day_ms)[:10]))
        raw = [key for key in there if first_slot(key) is not None]
        return self._table(dataset).made_of(source, Span(day_ms, day_ms + DAY_MS)) == made_of_objects(raw)


def _days_of(file: File) -> range:
    return range(file.begin_ms - file.begin_ms % DAY_MS, file.last_ms + 1, DAY_MS)


def _touch(day_ms: int, span: Span) -> bool:
    return not span.cut(day_ms, DAY_MS).empty
