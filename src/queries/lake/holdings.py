"""What of the lake a question reads: compacted files as they are, and the rest record by record, each id once.

A period's files (a day's, of some parts a month's or a year's) are read as they are where nothing else is there of it,
or the raw objects that are there are those that they were made of. Any other is read by ``lake.whole``, which has each
id once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptoproxy.datasets import Dataset, Period
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.compact import made_of_objects
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table, TablePlace
from cryptoproxy.lake.whole import held_parts, whole_lake

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
        return [part.name for part in held_parts(self._store, dataset, self._table(dataset))]

    def days(self, dataset: Dataset[Any], source: str, span: Span = ALWAYS) -> set[int]:
        """The begins of the days that it has anything of."""
        found: set[int] = set()
        for part in held_parts(self._store, dataset, self._table(dataset)):
            raw = RawForm(self._store, dataset, part)
            if part.file is Period.DAY:  # told by names alone
                files = self._table(dataset).files(source, span, part.name)
                days = {day for file in files for day in Span(file.begin_ms, file.last_ms + 1).begins(DAY_MS)}
                found |= raw.days(source, span) | days
            else:
                hours = whole_lake(self._store, dataset, part.name).hours(source, span)
                found |= {hour_ms - hour_ms % DAY_MS for hour_ms in hours}
        return {day_ms for day_ms in found if not span.cut(day_ms, DAY_MS).empty}

    def of(self, dataset: Dataset[Any], sources: list[str], span: Span) -> ReadPlan:
        found = ReadPlan()
        table = self._table(dataset)
        for part in held_parts(self._store, dataset, table):
            raw = RawForm(self._store, dataset, part)
            # What begins before it may reach into it, but never from another period.
            around = Span(part.file_span(span.begin_ms).begin_ms, span.end_ms)
            for source in sources:
                files = table.files(source, around, part.name)
                compacted = {part.file_span(file.begin_ms) for file in files}
                loose = {
                    each for each in {part.file_span(day_ms) for day_ms in raw.days(source, around)}
                    # Compacted: of the very objects that are there?
                    if each not in compacted
                    or table.made_of(TablePlace(source, part.name, each)) != made_of_objects(raw.keys(source, each))
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
