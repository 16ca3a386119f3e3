"""The compacted form as a table: a Delta log beside the files says which of them count, version by version.

A compaction is one commit, so who reads sees a period before it or after it. A commit is a conditional PUT (S3's
``If-None-Match``): of two runs that replace the same period, the second is told to look again. pandas, Polars, DuckDB,
Spark, Trino and Athena read the table by its address. Data files are put and read by our own client; deltalake has the
log (docs/decisions/0013).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pyarrow as pa

from cryptoproxy.datasets import Dataset, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.objects import TABLE, folder, part_of
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import Store

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")
KEEP_HOURS = 7 * 24
"""So long a file that was replaced stays: who began to read it comes to its end, and a mistake can be undone."""


class ConflictError(OperatorError):
    """Another run has replaced the same period meanwhile."""


@dataclass(frozen=True, slots=True)
class File:
    """A Parquet file of one source, part and period (:meth:`Part.file_span`), or of a piece of a large one."""

    key: str
    source: str
    begin_ms: int
    last_ms: int
    """The first and the last slot in it."""
    rows: int
    size: int
    stats: str = field(default="", compare=False)
    """What readers skip it by, as the log has it; only of a new one."""

    @property
    def part(self) -> str:
        return part_of(self.key)

    def touches(self, span: Span) -> bool:
        return self.begin_ms < span.end_ms and span.begin_ms <= self.last_ms


class TablePlace(NamedTuple):
    """What is replaced as one."""

    source: str
    part: str
    span: Span

    def __str__(self) -> str:
        return "/".join(filter(None, (self.part, self.source, iso(self.span.begin_ms)[:10])))

    def has(self, file: File) -> bool:
        return (file.source, file.part) == (self.source, self.part) and file.begin_ms in self.span


class Table:
    """The files that count. Each question is asked of the newest version.

    Every method raises TransientError or OperatorError while the bucket cannot or may not be used.
    """

    def __init__(self, store: Store, dataset: Dataset[Any]) -> None:
        self._store = store
        self._dataset = dataset
        self.root = folder(store.settings.prefix, dataset.name, TABLE)
        self._opened: DeltaTable | None = None
        self._told: tuple[DeltaTable, int, list[File]] | None = None
        """Of a version what its log tells: a year is read hour by hour, and years are thousands of files."""

    def files(self, source: str | None = None, span: Span | None = None, part: str | None = None) -> list[File]:
        """Those of a source and of a part, or all; those with a slot in ``span``, or of all times; the oldest first."""
        found = self._ask(lambda: self._files(self._newest()))
        return [
            each
            for each in found
            if source in (None, each.source) and part in (None, each.part) and (span is None or each.touches(span))
        ]

    def made_of(self, place: TablePlace) -> int | None:
        """What was said of it with the last :meth:`replace`."""

        def ask() -> int | None:
            table = self._newest()
            return None if table is None else table.transaction_version(str(place))

        return self._ask(ask)

    def replace(
        self, place: TablePlace, new: Collection[File], old: Collection[File], *, made_of: int, now_ms: int
    ) -> None:
        """``new`` instead of ``old`` as what there is of ``place``, in one commit. What stands in both stays.

        Raises:
            ConflictError: it is not ``old`` any more that is there. Nothing was changed.
        """
        self._ask(lambda: self._commit(place, set(new), set(old), made_of, now_ms))

    def expire(self, keep_hours: int = KEEP_HOURS) -> int:
        """Removes the files that have not counted for so long, and those that a killed run has left; how many."""

        def ask() -> int:
            if (table := self._newest()) is None:
                return 0
            gone = table.vacuum(keep_hours, dry_run=False, enforce_retention_duration=False, full=True)
            table.create_checkpoint()
            table.cleanup_metadata()
            return len(gone)

        return self._ask(ask)

    def _newest(self) -> DeltaTable | None:
        """The table as it is now; None where nothing was ever compacted, which our own client finds out."""
        if self._opened is not None:
            self._opened.update_incremental()
        elif self._store.holds(f"{self.root}_delta_log/"):
            address, options = self._store.delta(self.root)
            self._opened = _deltalake().DeltaTable(address, storage_options=options)
        return self._opened

    def _made(self) -> DeltaTable:
        """A new table; two may make it at once."""
        address, options = self._store.delta(self.root)
        schema = Columns(self._dataset).schema
        self._opened = _deltalake().DeltaTable.create(address, schema, mode="ignore", storage_options=options)
        return self._opened

    def _files(self, table: DeltaTable | None) -> list[File]:
        if table is None:
            return []
        version = table.version()
        if self._told is None or self._told[:2] != (table, version):
            self._told = table, version, self._read(table)
        return self._told[2]

    def _read(self, table: DeltaTable) -> list[File]:
        told = pa.table(table.get_add_actions(flatten=True))
        wanted = ("path", "min.source", "min.timestamp", "max.timestamp", "num_records", "size_bytes")
        found = []
        for path, source, *rest in zip(*(told.column(each).to_pylist() for each in wanted), strict=True):
            if source is None or None in rest:
                raise OperatorError(
                    f"{self.root}{path} was not written by cryptoproxy: the table does not tell what is in it",
                    remedy="Restore the version before it (DeltaTable.restore), and write tables of your own elsewhere",
                )
            begin, last, rows, size = rest
            found.append(File(self.root + path, source, _ms(begin), _ms(last), rows, size))
        return sorted(found, key=lambda file: (file.begin_ms, file.key))

    def _commit(self, place: TablePlace, new: set[File], old: set[File], made_of: int, now_ms: int) -> None:
        delta = _deltalake()
        table = self._newest() or self._made()
        there = set(filter(place.has, self._files(table)))
        if there == new and table.transaction_version(str(place)) == made_of:
            return  # also where the answer to an earlier try was lost
        conflict = ConflictError(
            f"another run has replaced {place} in {self.root} meanwhile", remedy="Run it again, one at a time"
        )
        if there != old:
            raise conflict
        self._widen(table)
        make = delta.transaction
        actions = [
            *(make.AddAction(self._path(each), each.size, {}, now_ms, True, each.stats) for each in new - there),
            *(make.RemoveAction(self._path(each), True, now_ms, each.size) for each in there - new),
        ]
        # Two first compactions of a period remove nothing that could clash; that both name it does.
        mark = make.Transaction(str(place), made_of, now_ms)
        try:
            table.create_write_transaction(
                actions, "append", table.schema(), commit_properties=make.CommitProperties(app_transactions=[mark])
            )
        except delta.exceptions.CommitFailedError as error:
            raise conflict from error

    def _widen(self, table: DeltaTable) -> None:
        """Columns that the contract has got since."""
        known = {field.name for field in table.schema().fields}
        wanted = _deltalake().Schema.from_arrow(Columns(self._dataset).schema).fields
        if missing := [field for field in wanted if field.name not in known]:
            table.alter.add_columns(missing)
            table.update_incremental()

    def _path(self, file: File) -> str:
        return file.key.removeprefix(self.root)

    def _ask(self, what: Callable[[], T]) -> T:
        return self._store.patiently(lambda: self._once(what))

    def _once(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except _failures() as error:
            # Whatever its client found, ours says it by kind: no login, no bucket, no answer.
            self._opened = None
            self._store.holds(self.root)
            raise TransientError(f"the table at {self.root}: {' '.join(str(error).split())[:500]}") from error


def _deltalake() -> ModuleType:
    """The library, which only compaction and what reads a compacted lake need.

    Raises:
        OperatorError: it is not installed.
    """
    try:
        import deltalake.exceptions
        import deltalake.transaction
    except ImportError as error:
        raise OperatorError(
            "the compacted lake is a Delta table, and deltalake is not installed",
            remedy="pip install 'cryptoproxy[lake]'",
        ) from error
    return deltalake


def _failures() -> tuple[type[Exception], ...]:
    loaded = sys.modules.get("deltalake.exceptions")
    return (OSError,) if loaded is None else (OSError, loaded.DeltaError)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
