"""A dataset's records as rows of typed columns and back, and many rows as sorted Parquet files.

Each field of the contract is a column of its name: text, 64-bit integers, doubles, flags, times in UTC; absent is null.
A row gives its line back byte for byte, because the encoder spells one record in one way only. A line that is spelled
otherwise (a field that a newer producer added, another order, an explicit null) is kept as it is in the column
``line``, which is null everywhere else.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cryptoproxy.datasets import Dataset, from_iso, iso
from cryptoproxy.datasets.fields import Column

LINE = "line"
MOMENT = pa.timestamp("us", tz="UTC")
"""Milliseconds in truth; Delta knows no other unit."""
_TYPES = {
    "text": pa.string(), "time": MOMENT, "double": pa.float64(), "long": pa.int64(), "flag": pa.bool_(),
    "kept": pa.string(),
}  # fmt: skip
BATCH_ROWS = 10_000
"""Rows held as Python objects, about 20 MB with every column filled."""
GROUP_ROWS = 65_536
SAID = 32
"""Characters of the least and the greatest text of a file."""

Row = tuple[Any, ...]
"""The values of the columns, in the schema's order; times as µs."""


class Columns:
    """The columns of one dataset."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset
        self._columns = dataset.columns
        self.schema = pa.schema([*map(_field, self._columns), pa.field(LINE, pa.string())])
        self.order = [(name, "ascending") for name in dataset.order]

    def row(self, line: bytes) -> Row:
        """A line's row.

        Raises:
            PoisonError: the line breaks the contract.
        """
        codec = self._dataset.codec
        record = codec.decode(line)
        values = (_stored(column, getattr(record, column.name)) for column in self._columns)
        return (*values, None if codec.encode(record) == line else line.decode())

    def batch(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """Rows as columns."""
        columns = zip(*rows, strict=True) if rows else [()] * len(self.schema)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def batches(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """Lines as columns, a piece at a time.

        Raises:
            PoisonError: a line breaks the contract.
        """
        rows = map(self.row, lines)
        while some := list(islice(rows, BATCH_ROWS)):
            yield self.batch(some)

    def lines(self, table: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, int, str, bytes]]:
        """(id, slot, fetched_at, line) of each row. A column that an older file does not have is null."""
        there = [column for column in self._columns if column.name in table.schema.names]
        values = [_plain(column, table.column(column.name)) for column in there]
        names = [column.name for column in there]
        slots = table.column("timestamp").cast(pa.int64()).to_pylist()
        kept = table.column(LINE).to_pylist()
        for row, slot, line in zip(zip(*values, strict=True), slots, kept, strict=True):
            record = self._dataset.record(**dict(zip(names, row, strict=True)))
            made = self._dataset.codec.encode(record) if line is None else line.encode()
            yield self._dataset.id_of(record), slot // 1000, record.fetched_at, made

    def file(self, batches: Sequence[pa.RecordBatch]) -> tuple[bytes, str]:
        """Rows, in any order, as one Parquet file, and what the table's log says of it. The same rows give the same."""
        table = pa.Table.from_batches(batches, self.schema).sort_by(self.order)
        body = io.BytesIO()
        pq.write_table(
            table,
            body,
            row_group_size=GROUP_ROWS,
            compression="zstd",
            compression_level=9,
            # A price's column has few equal values; a dictionary would be tried and thrown away in each group.
            use_dictionary=[field.name for field in self.schema if field.type == pa.string()],
            sorting_columns=pq.SortingColumn.from_ordering(self.schema, self.order),
            write_page_index=True,
        )
        return body.getvalue(), _stats(table)


def _stats(table: pa.Table) -> str:
    """Of each column: deltalake takes a column of which nothing is said for one without values."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        nulls[name] = column.null_count
        if pa.types.is_list(column.type) or column.null_count == len(column):
            continue
        found = pc.min_max(column.cast(pa.int64()) if column.type == MOMENT else column).as_py()
        if column.type == MOMENT:
            low[name], high[name] = iso(found["min"] // 1000), iso(found["max"] // 1000)
        elif column.type == pa.string():
            low[name] = found["min"][:SAID]
            high[name] = found["max"] if len(found["max"]) <= SAID else found["max"][:SAID] + "\U0010ffff"
        else:
            low[name], high[name] = found["min"], found["max"]
    return json.dumps({"numRecords": table.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _field(column: Column) -> pa.Field:
    kind = _TYPES[column.kind]
    return pa.field(column.name, pa.list_(kind) if column.many else kind, nullable=column.optional)


def _stored(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "time":
        return from_iso(value) * 1000
    return msgspec.json.encode(value).decode() if column.kind == "kept" else value


def _plain(column: Column, values: Any) -> list[Any]:
    if column.kind == "time":
        return [None if us is None else iso(us // 1000) for us in values.cast(pa.int64()).to_pylist()]
    if column.kind == "kept":
        return [None if text is None else msgspec.json.decode(text) for text in values.to_pylist()]
    return values.to_pylist()  # type: ignore[no-any-return]
