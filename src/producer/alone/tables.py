"""Records as files that other programs read: CSV, JSON, Parquet; a page after the other, never all in memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cryptoproxy.common.cells import cell
from cryptoproxy.datasets import Dataset
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.lake.parquet import LINE, Columns


class Table(Protocol):
    """A file being written."""

    def write(self, records: Sequence[AnyRecord]) -> None:
        """More rows."""

    def close(self) -> None:
        """The file is whole."""


class TableFile:
    """A context: the file ``<stem>.<form>``, made with its first row; there is none without rows.

    Args:
        form: ``csv``, ``json`` or ``parquet``.
    """

    def __init__(self, folder: Path, stem: str, dataset: Dataset[Any], form: str) -> None:
        self.path = folder / f"{stem}.{form}"
        self.rows = 0
        self._make = _FORMS[form]
        self._dataset = dataset
        self._table: Table | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._table is not None:
            self._table.close()

    def write(self, records: Sequence[AnyRecord]) -> None:
        if records and self._table is None:
            self._table = self._make(self.path, self._dataset)
        if records and self._table is not None:
            self._table.write(records)
            self.rows += len(records)


class _Csv:
    """A column for each field, empty where a record has none; what is no plain value is JSON."""

    def __init__(self, path: Path, dataset: Dataset[Any]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._columns = dataset.columns
        self._writer.writerow(column.name for column in self._columns)

    def write(self, records: Sequence[AnyRecord]) -> None:
        for record in records:
            values = ((column, getattr(record, column.name)) for column in self._columns)
            self._writer.writerow(cell(_text(value) if column.many or column.kind == "kept" else value)
                                  for column, value in values)  # fmt: skip

    def close(self) -> None:
        self._file.close()


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


class _Json:
    """One array, each record a line as it stands on the topic: for people and for line tools as well."""

    def __init__(self, path: Path, dataset: Dataset[Any]) -> None:
        self._file = path.open("wb")
        self._encode = dataset.codec.encode
        self._before = b"[\n"

    def write(self, records: Sequence[AnyRecord]) -> None:
        for record in records:
            self._file.write(self._before + self._encode(record))
            self._before = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]\n")
        self._file.close()


class _Parquet:
    """The typed columns of the lake, without its column for lines of newer contracts: there are none here."""

    def __init__(self, path: Path, dataset: Dataset[Any]) -> None:
        self._columns = Columns(dataset)
        self._encode = dataset.codec.encode
        schema = self._columns.schema
        self._writer = pq.ParquetWriter(path, schema.remove(schema.get_field_index(LINE)), compression="zstd")

    def write(self, records: Sequence[AnyRecord]) -> None:
        rows = [self._columns.row(self._encode(record)) for record in records]
        self._writer.write_table(pa.Table.from_batches([self._columns.batch(rows)]).drop_columns([LINE]))

    def close(self) -> None:
        self._writer.close()


_FORMS: dict[str, Callable[[Path, Dataset[Any]], Table]] = {"csv": _Csv, "json": _Json, "parquet": _Parquet}
