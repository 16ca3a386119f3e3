"""What of the lake a question reads: compacted files as they are, and the rest record by record, each id once.

A period's files (a day's, of some parts a month's or a year's) are read as they are where nothing else is there of it,
or the raw objects that are there are those that they were made of. Any other is read by ``lake.whole``, which has each
id once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptoproxy.datasets import Dataset, Part, Period
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.compact import made_of_objects, raw_keys
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import RAW, days_in, folder
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table, TablePlace
from cryptoproxy.lake.whole import whole_lake

ALWAYS = Span(0, 253_402_300_799_000)


class Loose(NamedTuple):
    """To be read record by record."""

    source: str
    part: str
    span: Span


@dataclass(slots=True)
class ReadPlan:
    """``files`` are keys."""

    files: list[str] = field(default_factory=list)
    loose: list[Loose] = field(default_factory=list)


class Holdings:
    """Every method raises TransientError or OperatorError while the lake cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables: dict[str, Table] = {}

    def sources(self, dataset: Dataset[Any], part: str | None = None) -> list[str]:
        return whole_lake(self._store, dataset, part).sources()

    def parts(self, dataset: Dataset[Any]) -> list[str]:
        """The names of those that anything is there of."""
        return [part.name for part in self._parts(dataset)]

    def days(self, dataset: Dataset[Any], source: str, span: Span = ALWAYS) -> set[int]:
        """The begins of the days that it has anything of."""
        found: set[int] = set()
        for part in self._parts(dataset):
            if part.file is Period.DAY:  # told by names alone
                files = self._table(dataset).files(source, span, part.name)
                days = {day for file in files for day in Span(file.begin_ms, file.last_ms + 1).begins(DAY_MS)}
                found |= self._raw(dataset, part, source, span) | days
            else:
                hours = whole_lake(self._store, dataset, part.name).hours(source, span)
                found |= {hour_ms - hour_ms % DAY_MS for hour_ms in hours}
        return {day_ms for day_ms in found if not span.cut(day_ms, DAY_MS).empty}

    def of(self, dataset: Dataset[Any], sources: list[str], span: Span) -> ReadPlan:
        found = ReadPlan()
        for part in self._parts(dataset):
            # What begins before it may reach into it, but never from another period.
            around = Span(part.file_span(span.begin_ms).begin_ms, span.end_ms)
            for source in sources:
                files = self._table(dataset).files(source, around, part.name)
                compacted = {part.file_span(file.begin_ms) for file in files}
                raw = {part.file_span(day_ms) for day_ms in self._raw(dataset, part, source, around)}
                loose = {
                    each for each in raw
                    if each not in compacted or not self._holds(dataset, part, TablePlace(source, part.name, each))
                }  # fmt: skip
                found.files += [
                    file.key for file in files
                    if file.touches(span) and part.file_span(file.begin_ms) not in loose
                ]  # fmt: skip
                cut = (Span(max(each.begin_ms, span.begin_ms), min(each.end_ms, span.end_ms)) for each in sorted(loose))
                found.loose += [Loose(source, part.name, each) for each in cut if not each.empty]
        return found

    def lines(self, dataset: Dataset[Any], loose: Loose) -> Iterator[bytes]:
        """Each id once.

        Raises:
            PoisonError: something there is damaged.
        """
        lake = whole_lake(self._store, dataset, loose.part)
        return (stored.line for stored in lake.records(loose.source, loose.span, refuse))

    def _table(self, dataset: Dataset[Any]) -> Table:
        return self._tables.setdefault(dataset.name, Table(self._store, dataset))

    def _parts(self, dataset: Dataset[Any]) -> list[Part]:
        """Those that anything is there of."""
        if len(dataset.parts) == 1:
            return list(dataset.parts.values())
        raw = set(self._store.folders(folder(self._store.settings.prefix, dataset.name, RAW)))
        there = raw | {file.part for file in self._table(dataset).files()}
        return [part for name, part in dataset.parts.items() if name in there]

    def _raw(self, dataset: Dataset[Any], part: Part, source: str, span: Span) -> set[int]:
        base = folder(self._store.settings.prefix, dataset.name, RAW, source, part=part.name)
        return {day_ms for _, day_ms in days_in(self._store.folders(base), span)}

    def _holds(self, dataset: Dataset[Any], part: Part, place: TablePlace) -> bool:
        """Whether the period's files were made of the very objects that are there."""
        raw = raw_keys(self._store, dataset, part, place)
        return self._table(dataset).made_of(place) == made_of_objects(raw)
