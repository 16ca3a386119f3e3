"""What of the lake a question reads: compacted files as they are, and the rest record by record, each id once.

A file is read as it is where it is the only one of its day and nothing else is there of that day, or the raw objects
that are there are those that it was made of. Any other day is read by ``lake.whole``, which has each id once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.compact import OBJECTS
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import DAILY, RAW, day_of, days_in, first_slot, folder, sources_in
from cryptoproxy.lake.store import Store
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
        found = {
            source for form in (RAW, DAILY) for source in sources_in(self._store.folders(folder(self._prefix, form)))
        }
        return sorted(found)

    def days(self, dataset: Dataset[Any], source: str, span: Span = ALWAYS) -> set[int]:
        """The begins of the days that it has anything of."""
        if dataset is not TICKER:
            return set()
        return {*self._daily(source, span), *self._raw(source, span)}

    def of(self, dataset: Dataset[Any], sources: list[str], span: Span) -> Holding:
        found = Holding()
        for source in sources if dataset is TICKER else ():
            daily, raw = self._daily(source, span), self._raw(source, span)
            for day_ms in sorted({*daily, *raw}):
                keys = daily.get(day_ms, [])
                if len(keys) == 1 and (day_ms not in raw or self._holds(keys[0], source, day_ms)):
                    found.files += keys
                else:
                    found.loose.append((source, span.cut(day_ms, DAY_MS)))
        return found

    def lines(self, source: str, span: Span) -> Iterator[bytes]:
        """Each id once.

        Raises:
            PoisonError: something there is damaged.
        """
        with whole_lake(self._store) as lake:
            for stored in lake.records(source, span, refuse):
                yield stored.line

    def _daily(self, source: str, span: Span) -> dict[int, list[str]]:
        found: dict[int, list[str]] = defaultdict(list)
        for key in self._store.keys(folder(self._prefix, DAILY, source)):
            day_ms = day_of(key)
            if day_ms is not None and not span.cut(day_ms, DAY_MS).empty:
                found[day_ms].append(key)
        return found

    def _raw(self, source: str, span: Span) -> set[int]:
        return {day_ms for _, day_ms in days_in(self._store.folders(folder(self._prefix, RAW, source)), span)}

    def _holds(self, key: str, source: str, day_ms: int) -> bool:
        """Whether the file was made of the very objects that are there."""
        there = self._store.keys(folder(self._prefix, RAW, source, iso(day_ms)[:10]))
        names = sorted(each for each in there if first_slot(each) is not None)
        return self._store.metadata(key).get(OBJECTS) == hashlib.sha256("\n".join(names).encode()).hexdigest()
