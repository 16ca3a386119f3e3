"""A record as a row of typed columns and back: the schema of the daily Parquet files.

Each field of the contract is a column of its name: text, 64-bit integers, doubles, and times as UTC milliseconds;
absent is null. A row gives its line back byte for byte, because the encoder spells one record in one way only. A line
that is spelled otherwise (a field that a newer producer added, another order, an explicit null) is kept as it is in
the column ``line``, which is null everywhere else.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from cryptoproxy.common.record import Record, decode, encode, from_iso, iso

LINE = "line"
TIMES = frozenset({"timestamp", "fetched_at", "last_updated"})
"""Text of one spelling in JSON, so a moment in a column loses nothing."""
ORDER = ("symbol", "timestamp", "asset_id", "quote")
"""How the rows of a file are sorted. ``source`` is one per file."""

MOMENT = pa.timestamp("ms", tz="UTC")
_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int64()}
FIELDS: tuple[str, ...] = Record.__struct_fields__

Row = tuple[Any, ...]
"""The values of the columns, in the schema's order; times as ms."""


def _arrow(name: str, hint: Any) -> pa.Field:
    optional = get_origin(hint) in (Union, types.UnionType)
    (kind,) = [each for each in get_args(hint) if each is not type(None)] if optional else [hint]
    return pa.field(name, MOMENT if name in TIMES else _TYPES[kind], nullable=optional)


_HINTS = get_type_hints(Record)
SCHEMA = pa.schema([*(_arrow(name, _HINTS[name]) for name in FIELDS), pa.field(LINE, pa.string())])
_TIME_AT = [at for at, name in enumerate(FIELDS) if name in TIMES]


def row(line: bytes, *, now_ms: int) -> Row:
    """A line's row.

    Raises:
        PoisonError: the line breaks the contract.
    """
    record = decode(line)
    values = [getattr(record, name) for name in FIELDS]
    for at in _TIME_AT:
        values[at] = None if values[at] is None else from_iso(values[at])
    return (*values, None if encode(record) == line else line.decode())


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as columns."""
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def lines(table: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, int, bytes]]:
    """(id, slot, line) of each row. A column that an older file does not have is null."""
    there = [name for name in FIELDS if name in table.schema.names]
    columns = [_plain(table.column(name), name) for name in there]
    kept = table.column(LINE).to_pylist()
    slots = table.column("timestamp").cast(pa.int64()).to_pylist()
    for values, slot_ms, line in zip(zip(*columns, strict=True), slots, kept, strict=True):
        fields = dict(zip(there, values, strict=True))
        identity = f"{fields['source']}:{fields['asset_id']}:{fields['quote']}:{slot_ms}"
        yield identity, slot_ms, encode(Record(**fields)) if line is None else line.encode()


def _plain(column: Any, name: str) -> list[Any]:
    if name not in TIMES:
        return column.to_pylist()  # type: ignore[no-any-return]
    return [None if ms is None else iso(ms) for ms in column.cast(pa.int64()).to_pylist()]
