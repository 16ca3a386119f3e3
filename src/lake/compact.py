"""A day's objects → files of the table: merge → put → prove → commit → remove the objects.

A file counts when it is committed, and is committed when it has been read back and has, id by id, all of what it
replaces. So two compactions at once, or one killed anywhere, lose nothing: at worst files that never counted stay until
they expire, and raw objects until the next run.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.daily import DailyForm
from cryptoproxy.lake.form import Fault, lacking
from cryptoproxy.lake.objects import RAW, daily_object, first_slot, folder
from cryptoproxy.lake.parquet import BATCH_ROWS, Columns, Row
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.lake.table import ConflictError, File, Table
from cryptoproxy.lake.whole import WholeLake

log = logging.getLogger(__name__)

GRACE_MS = 300_000
"""After a day's end its last polls are still on their way; later ones are merged by the next run."""
FILE_ROWS = 100_000
"""A day of more rows is cut by time into files of so many, each about 30 MB in memory and 5 MB on S3."""
TRIES = 3


@dataclass(slots=True)
class Compacted:
    """What became of one source's day."""

    source: str
    day_ms: int
    files: list[File] = field(default_factory=list)
    """Of that day; none where nothing is there."""
    raw_objects: int = 0
    written: bool = False
    """False: the files were there already, with all that the raw objects have."""
    removed: int = 0
    """Raw objects, and files that count no more."""
    faults: list[Fault] = field(default_factory=list)
    """What of the day cannot be read. The objects it is in are kept."""

    @property
    def records(self) -> int:
        return sum(file.rows for file in self.files)


class Compaction:
    """Compacts days of a dataset."""

    def __init__(self, store: Store, dataset: Dataset[Any] = TICKER, *, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._dataset = dataset
        self._columns = Columns(dataset)
        self._table = Table(store, dataset)
        self._now_ms = now_ms

    def sources(self) -> list[str]:
        """The sources that the lake has anything of."""
        return self._whole().sources()

    def day(self, source: str, day_ms: int, *, delete_raw: bool = False, unfinished: bool = False) -> Compacted:
        """One source's day. A second run merges what came since, and else changes nothing.

        Args:
            delete_raw: remove the raw objects that are proved to be in the files.
            unfinished: allow a day that is not over yet.

        Raises:
            OperatorError: the day is not over.
            TransientError, OperatorError: the lake cannot be read or written.
        """
        if not unfinished and self._now_ms() < day_ms + DAY_MS + GRACE_MS:
            raise OperatorError(
                f"{iso(day_ms)[:10]} is not over yet (five minutes after midnight UTC it is)",
                remedy="Wait for its end, or allow it with --unfinished; a later run merges the rest",
            )
        for tries in range(1, TRIES + 1):
            try:
                return self._attempt(source, Span(day_ms, day_ms + DAY_MS), delete_raw)
            except (MissingObjectError, ConflictError):
                if tries == TRIES:
                    raise
                log.info("%s %s: another run compacts it too; looks again", source, iso(day_ms)[:10])
        raise AssertionError("the last try returns or raises")

    def _attempt(self, source: str, day: Span, delete_raw: bool) -> Compacted:
        before = self._table.files(source, day)
        raw = self._raw_keys(source, day.begin_ms)
        made_of = made_of_objects(raw)
        result = Compacted(source, day.begin_ms, before, len(raw))
        if not before and not raw:
            return result
        removable = raw if delete_raw else []
        whole = bool(before) and (not raw or self._table.made_of(source, day) == made_of)
        if not whole or self._absent(result, before, (), removable, day):
            result.faults = []
            new = self._write(result, day)
            if absent := self._absent(result, new, before, removable, day):
                raise self._failure(source, day, absent)
            # A damaged file keeps its place: what is in it may be nowhere else.
            damaged = {fault.key for fault in result.faults}
            kept = [file for file in before if file.key in damaged and file not in new]
            result.written = bool(new)
            result.files = [*new, *kept]
            # With damage, the raw objects are looked at again the next time.
            mark = 0 if result.faults else made_of
            self._table.replace(source, day, result.files, before, made_of=mark, now_ms=self._now_ms())
            result.removed = len(set(before) - set(result.files))
        self._remove(result, removable)
        return result

    def _raw_keys(self, source: str, day_ms: int) -> list[str]:
        base = folder(self._store.settings.prefix, self._dataset.name, RAW, source, iso(day_ms)[:10])
        return [key for key in self._store.keys(base) if first_slot(key) is not None]

    def _write(self, result: Compacted, day: Span) -> list[File]:
        """Merges what there is into new files and stores them; they do not count yet."""
        log.info("compacting %s %s: %d raw objects", result.source, iso(day.begin_ms)[:10], result.raw_objects)
        files: list[File] = []
        batches: list[pa.RecordBatch] = []
        rows: list[Row] = []
        slots: list[int] = []
        faults: list[Fault] = []

        def end() -> None:
            nonlocal batches, slots
            batches.append(self._columns.batch(rows))
            rows.clear()
            files.append(self._put(result.source, day.begin_ms, batches, min(slots), max(slots)))
            batches, slots = [], []

        for stored in self._whole().records(result.source, day, faults.append):
            slots.append(stored.slot_ms)
            rows.append(self._columns.row(stored.line))
            if len(rows) == BATCH_ROWS:
                batches.append(self._columns.batch(rows))
                rows.clear()
            if len(slots) == FILE_ROWS:
                end()
        if slots:
            end()
        made = {file.key for file in files}
        result.faults = [fault for fault in faults if fault.key not in made]
        return files

    def _put(self, source: str, day_ms: int, batches: list[pa.RecordBatch], begin_ms: int, last_ms: int) -> File:
        body, stats = self._columns.file(batches)
        digest = hashlib.sha256(body).hexdigest()
        key = daily_object(self._store.settings.prefix, self._dataset.name, source, day_ms, digest)
        self._store.put(key, body)
        rows = sum(batch.num_rows for batch in batches)
        log.info("stored s3://%s/%s (%d records)", self._store.settings.bucket, key, rows)
        return File(key, source, begin_ms, last_ms, rows, len(body), stats)

    def _absent(
        self, result: Compacted, new: Collection[File], old: Collection[File], raw: Collection[str], day: Span
    ) -> list[str]:
        """Ids of ``old`` files and ``raw`` objects that are not in the ``new`` files, as they are read back."""
        known = {(fault.key, fault.number) for fault in result.faults}

        def report(fault: Fault) -> None:
            if (fault.key, fault.number) not in known:
                result.faults.append(fault)

        found: list[str] = []
        if replaced := [file for file in old if file not in new]:
            found += lacking(self._daily(new), self._daily(replaced), result.source, day, report)
        if raw:
            objects = RawForm(self._store, self._dataset, only=set(raw))
            found += lacking(self._daily(new), objects, result.source, day, report)
        return found

    def _remove(self, result: Compacted, keys: Collection[str]) -> None:
        damaged = {fault.key for fault in result.faults}
        for key in keys:
            if key not in damaged:
                self._store.delete(key)
                result.removed += 1

    def _failure(self, source: str, day: Span, absent: list[str]) -> OperatorError:
        return OperatorError(
            f"the new files of {source} {iso(day.begin_ms)[:10]} lack {len(absent)} records that they should have, for "
            f"example {absent[0]}; nothing was replaced or removed",
            remedy="Run it again; if that says the same, report it with the log",
        )

    def _whole(self) -> WholeLake:
        return WholeLake(DailyForm(self._store, self._dataset), RawForm(self._store, self._dataset))

    def _daily(self, only: Collection[File]) -> DailyForm:
        return DailyForm(self._store, self._dataset, only=only)


def made_of_objects(raw: list[str]) -> int:
    """What a day's files are made of, as one number: of the names of its raw objects."""
    return int(hashlib.sha256("\n".join(sorted(raw)).encode()).hexdigest()[:15], 16)
