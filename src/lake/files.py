"""The compacted form of the lake: the Parquet files of a Delta table (``cryptoproxy lake compact`` makes them).

A file is sorted by symbol, but replays and proofs go by time: it is read once, sorted by time, and kept until the next
one is read. It has so many rows at most (:data:`lake.compact.FILE_ROWS`), so it fits into memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cryptoproxy.datasets import TICKER, Dataset, Part, Period
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.form import Fault, Stored, ignore
from cryptoproxy.lake.objects import is_as_named
from cryptoproxy.lake.parquet import LINE, Columns
from cryptoproxy.lake.raw import WHOLE
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import File, Table

_AT_ONCE = 2_000
"""Rows as Python objects at once."""
_ROW = "__number"


class FileForm:
    """See :class:`lake.form.Form`.

    Args:
        only: these files, whether the table counts them or not.
    """

    def __init__(
        self, store: Store, dataset: Dataset[Any] = TICKER, part: Part = WHOLE, *, only: Collection[File] | None = None
    ) -> None:
        self._store = store
        self._part = part
        self._columns = Columns(dataset)
        self._table = Table(store, dataset)
        self._only = only
        self._read: dict[str, dict[str, pa.Table | None]] = {}
        """Of each source the files that the last step has asked for, by key; None for a damaged one."""

    def sources(self) -> list[str]:
        return sorted({file.source for file in self._table.files(part=self._part.name)})

    def hours(self, source: str, span: Span) -> list[int]:
        found: set[int] = set()
        for file in self._files(source, span):
            if self._part.file is Period.DAY:
                found |= set(Span(file.begin_ms, file.last_ms + 1).hours())
            else:  # a year may be of days with one bar each
                found |= self._hours(file, span)
        return sorted(hour_ms for hour_ms in found if not span.cut(hour_ms).empty)

    def _hours(self, file: File, span: Span) -> set[int]:
        if (table := self._fetched(file.key, ignore)) is None:
            return {next(Span(max(file.begin_ms, span.begin_ms), file.last_ms + 1).hours())}  # where that is said
        slots = pc.unique(pc.floor_temporal(table.column("timestamp"), unit="hour"))
        return {us // 1000 for us in slots.cast(pa.int64()).to_pylist()}

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        for step in self._part.steps(span):
            files = self._files(source, step)
            before = self._read.get(source, {})
            now = self._read[source] = {
                file.key: before[file.key] if file.key in before else self._fetched(file.key, report) for file in files
            }
            streams = [self._rows(key, table, step) for key, table in now.items() if table is not None]
            yield from heapq.merge(*streams, key=attrgetter("slot_ms"))

    def _files(self, source: str, span: Span) -> list[File]:
        if self._only is None:
            return self._table.files(source, span, self._part.name)
        return [file for file in self._only if file.source == source and file.touches(span)]

    def _rows(self, key: str, table: pa.Table, step: Span) -> Iterator[Stored]:
        """The rows of a step, the oldest slot first."""
        slots = table.column("timestamp").cast(pa.int64())
        first, end = (pc.sum(pc.less(slots, at * 1000)).as_py() or 0 for at in (step.begin_ms, step.end_ms))
        for rows in table.slice(first, end - first).to_batches(max_chunksize=_AT_ONCE):
            numbers = rows.column(_ROW).to_pylist()
            for number, told in zip(numbers, self._columns.lines(rows), strict=True):
                yield Stored(*told, key, number)

    def _fetched(self, key: str, report: Callable[[Fault], None]) -> pa.Table | None:
        body = self._store.get(key)
        said = None
        if not is_as_named(key, hashlib.sha256(body).hexdigest()):
            said = f"{key} holds other bytes than its name says"
        else:
            try:
                table = pq.read_table(pa.BufferReader(body))
                self._check(key, table.schema)
                numbered = table.append_column(_ROW, pa.array(range(1, 1 + table.num_rows), pa.int64()))
                return numbered.take(pc.sort_indices(table.column("timestamp"))).combine_chunks()
            except pa.ArrowInvalid as error:
                said = f"{key} is no Parquet file: {error}"
        report(Fault(key, None, "damaged_object", said))
        return None

    def _check(self, key: str, schema: pa.Schema) -> None:
        ours = self._columns.schema
        if unknown := sorted(set(schema.names) - set(ours.names)):
            raise OperatorError(
                f"{key} has columns that this version does not know: {', '.join(unknown)}", remedy="Update cryptoproxy"
            )
        lacking = {field.name for field in ours if not field.nullable or field.name == LINE} - set(schema.names)
        wrong = [name for name in schema.names if schema.field(name).type != ours.field(name).type]
        if lacking or wrong:
            raise pa.ArrowInvalid(f"its columns are not those of a record: {', '.join(sorted(lacking) + wrong)}")
