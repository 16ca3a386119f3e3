"""A record as a row of typed columns and back, and rows in any order to one Parquet file: the daily files' schema.

Each field of the contract is a column of its name: text, 64-bit integers, doubles, and times as UTC milliseconds;
absent is null. A row gives its line back byte for byte, because the encoder spells one record in one way only. A line
that is spelled otherwise (a field that a newer producer added, another order, an explicit null) is kept as it is in
the column ``line``, which is null everywhere else.

A file is sorted by symbol and time in bounded memory: sorted runs on disk, then merged. A run is cut into symbols, so
that a few symbols' rows of all runs are in memory at once. They become row groups of their own: a reader that asks for
one symbol skips the others by the row groups' statistics.
"""

from __future__ import annotations

import hashlib
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from cryptoproxy.datasets import Ticker, decode, document_id, encode, from_iso, iso

LINE = "line"
TIMES = frozenset({"timestamp", "fetched_at", "last_updated"})
"""Text of one spelling in JSON, so a moment in a column loses nothing."""
ORDER = ("symbol", "timestamp", "asset_id", "quote")
"""How the rows of a file are sorted. ``source`` is one per file."""

MOMENT = pa.timestamp("ms", tz="UTC")
_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int64()}
FIELDS: tuple[str, ...] = Ticker.__struct_fields__

Row = tuple[Any, ...]
"""The values of the columns, in the schema's order; times as ms."""


def _arrow(name: str, hint: Any) -> pa.Field:
    optional = get_origin(hint) in (Union, types.UnionType)
    (kind,) = [each for each in get_args(hint) if each is not type(None)] if optional else [hint]
    return pa.field(name, MOMENT if name in TIMES else _TYPES[kind], nullable=optional)


_HINTS = get_type_hints(Ticker)
SCHEMA = pa.schema([*(_arrow(name, _HINTS[name]) for name in FIELDS), pa.field(LINE, pa.string())])
_TIME_AT = [at for at, name in enumerate(FIELDS) if name in TIMES]


def row(line: bytes) -> Row:
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
        record = Ticker(**dict(zip(there, values, strict=True)))
        yield document_id(record), slot_ms, encode(record) if line is None else line.encode()


def _plain(column: Any, name: str) -> list[Any]:
    if name not in TIMES:
        return column.to_pylist()  # type: ignore[no-any-return]
    return [None if ms is None else iso(ms) for ms in column.cast(pa.int64()).to_pylist()]


RUN_ROWS = 50_000
"""Rows held as Python objects, about 100 MB with every column filled."""
GROUP_ROWS = 65_536
_SYMBOL = SCHEMA.get_field_index("symbol")


class Sorter:
    """Takes rows, then writes the file. What it has on disk lies in ``folder``.

    Usage: ``with Sorter(folder) as sorter: sorter.add(row) …; sorter.write(path)``.
    """

    def __init__(self, folder: Path, *, run_rows: int = RUN_ROWS, group_rows: int = GROUP_ROWS) -> None:
        self._folder = folder
        self._run_rows = run_rows
        self._group_rows = group_rows
        self._rows: list[Row] = []
        self._runs: list[tuple[pa.MemoryMappedFile, pa.Table, dict[str, tuple[int, int]]]] = []
        self.count = 0

    def __enter__(self) -> Sorter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mapped, _, _ in self._runs:
            mapped.close()

    def add(self, row: Row) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == self._run_rows:
            self._spill()

    def write(self, path: Path) -> None:
        """All rows as one file. The same rows give the same bytes, in whatever order they came."""
        self._spill()
        order = pq.SortingColumn.from_ordering(SCHEMA, [(name, "ascending") for name in ORDER])
        with pq.ParquetWriter(
            path,
            SCHEMA,
            compression="zstd",
            compression_level=9,
            # A prices' column has few equal values; a dictionary would be tried and thrown away in each group.
            use_dictionary=[field.name for field in SCHEMA if field.type == pa.string()],
            sorting_columns=order,
            write_page_index=True,
        ) as writer:
            for table in self._groups():
                writer.write_table(table, row_group_size=self._group_rows)

    def _spill(self) -> None:
        if not self._rows:
            return
        table = _sorted(pa.Table.from_batches([batch(self._rows)]))
        self._rows.clear()
        path = self._folder / f"run-{len(self._runs)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            writer.write_table(table)
        mapped = pa.memory_map(str(path))
        self._runs.append((mapped, pa.ipc.open_file(mapped).read_all(), _places(table.column(_SYMBOL).to_pylist())))

    def _groups(self) -> Iterator[pa.Table]:
        """The rows of as many symbols as make a row group, sorted."""
        rows: Counter[str] = Counter()
        for _, _, places in self._runs:
            for symbol, (_, count) in places.items():
                rows[symbol] += count
        symbols: list[str] = []
        waiting = 0
        # Arrow sorts text by its bytes.
        for symbol in sorted(rows, key=str.encode):
            symbols.append(symbol)
            waiting += rows[symbol]
            if waiting >= self._group_rows:
                yield self._merged(symbols)
                symbols, waiting = [], 0
        if symbols:
            yield self._merged(symbols)

    def _merged(self, symbols: list[str]) -> pa.Table:
        parts = []
        for _, table, places in self._runs:
            here = [places[symbol] for symbol in symbols if symbol in places]
            if here:
                begin, (last, count) = here[0][0], here[-1]
                parts.append(table.slice(begin, last + count - begin))
        return _sorted(pa.concat_tables(parts))


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in ORDER])


def _places(symbols: list[str]) -> dict[str, tuple[int, int]]:
    """Where the rows of each symbol lie in a sorted run: (first, how many)."""
    places: dict[str, tuple[int, int]] = {}
    for at, symbol in enumerate(symbols):
        first, count = places.get(symbol, (at, 0))
        places[symbol] = (first, count + 1)
    return places
