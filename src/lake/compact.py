"""A period's objects → files of the table: merge → put → prove → commit → remove the objects.

A file counts when it is committed, and is committed when it has been read back and has, id by id, all of what it
replaces. So two compactions at once, or one killed anywhere, lose nothing: at worst files that never counted stay until
they expire, and raw objects until the next run.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from cryptoproxy.datasets import TICKER, Dataset, Part, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.files import FileForm
from cryptoproxy.lake.form import Fault, lacking
from cryptoproxy.lake.objects import file_object
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.raw import WHOLE, RawForm
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.lake.table import ConflictError, File, Table, TablePlace
from cryptoproxy.lake.whole import WholeLake

log = logging.getLogger(__name__)

GRACE_MS = 300_000
"""After a period's end its last polls are still on their way; later ones are merged by the next run."""
FILE_ROWS = 100_000
"""A period of more rows is cut by time into files of so many, each about 30 MB in memory and 5 MB on S3."""
TRIES = 3


@dataclass(slots=True)
class Compacted:
    """What became of one source's day, month or year."""

    place: TablePlace
    files: list[File] = field(default_factory=list)
    """Of that period; none where nothing is there."""
    raw_objects: int = 0
    written: bool = False
    """False: the files were there already, with all that the raw objects have."""
    removed: int = 0
    """Raw objects, and files that count no more."""
    faults: list[Fault] = field(default_factory=list)
    """What of it cannot be read. The objects it is in are kept."""

    @property
    def records(self) -> int:
        return sum(file.rows for file in self.files)


class Compaction:
    """Compacts a part of a dataset, each of its files' periods for itself."""

    def __init__(
        self, store: Store, dataset: Dataset[Any] = TICKER, part: Part = WHOLE, *, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._part = part
        self._columns = Columns(dataset)
        self._table = Table(store, dataset)
        self._raw = RawForm(store, dataset, part)
        self._now_ms = now_ms

    def sources(self) -> list[str]:
        """The sources that the lake has anything of."""
        return self._whole.sources()

    def over(self, span: Span) -> bool:
        """Whether a period is, and its last polls are there."""
        return self._now_ms() >= span.end_ms + GRACE_MS

    def uncompacted(self, source: str) -> list[Span]:
        """The periods that have raw objects, the oldest first."""
        return sorted({self._part.file_span(day_ms) for day_ms in self._raw.days(source)})

    def period(self, source: str, at_ms: int, *, delete_raw: bool = False, unfinished: bool = False) -> Compacted:
        """The period of one source that has this moment. A second run merges what came since, and else changes nothing.

        Args:
            delete_raw: remove the raw objects that are proved to be in the files.
            unfinished: allow one that is not over yet.

        Raises:
            OperatorError: it is not over.
            TransientError, OperatorError: the lake cannot be read or written.
        """
        place = TablePlace(source, self._part.name, self._part.file_span(at_ms))
        if not unfinished and not self.over(place.span):
            raise OperatorError(
                f"{self._part.file_of(iso(at_ms))} is not over yet (five minutes after midnight UTC it is)",
                remedy="Wait for its end, or allow it with --unfinished; a later run merges the rest",
            )
        for tries in range(1, TRIES + 1):
            try:
                return self._attempt(place, delete_raw)
            except (MissingObjectError, ConflictError):
                if tries == TRIES:
                    raise
                log.info("%s: another run compacts it too; looks again", place)
        raise AssertionError("the last try returns or raises")

    def _attempt(self, place: TablePlace, delete_raw: bool) -> Compacted:
        before = self._table.files(place.source, place.span, place.part)
        raw = self._raw.keys(place.source, place.span)
        made_of = made_of_objects(raw)
        result = Compacted(place, before, len(raw))
        if not before and not raw:
            return result
        removable = raw if delete_raw else []
        whole = bool(before) and (not raw or self._table.made_of(place) == made_of)
        if not whole or self._absent(result, before, (), removable):
            result.faults = []
            new = self._write(result)
            if absent := self._absent(result, new, before, removable):
                raise self._failure(place, absent)
            # A damaged file keeps its place: what is in it may be nowhere else.
            damaged = {fault.key for fault in result.faults}
            kept = [file for file in before if file.key in damaged and file not in new]
            result.written = bool(new)
            result.files = [*new, *kept]
            # With damage, the raw objects are looked at again the next time.
            mark = 0 if result.faults else made_of
            self._table.replace(place, result.files, before, made_of=mark, now_ms=self._now_ms())
            result.removed = len(set(before) - set(result.files))
        self._remove(result, removable)
        return result

    def _write(self, result: Compacted) -> list[File]:
        """Merges what there is into new files and stores them; they do not count yet."""
        place = result.place
        log.info("compacting %s: %d raw objects", place, result.raw_objects)
        files: list[File] = []
        faults: list[Fault] = []
        lines = (each.line for each in self._whole.records(place.source, place.span, faults.append))
        while batches := list(self._columns.batches(islice(lines, FILE_ROWS))):
            files.append(self._put(place.source, batches))
        made = {file.key for file in files}
        result.faults = [fault for fault in faults if fault.key not in made]
        return files

    def _put(self, source: str, batches: Sequence[pa.RecordBatch]) -> File:
        """Rows, the oldest slot first, as a file."""
        body, stats = self._columns.file(batches)
        begin_ms, last_ms = (each["timestamp"][at].value // 1000 for each, at in ((batches[0], 0), (batches[-1], -1)))
        digest = hashlib.sha256(body).hexdigest()
        key = file_object(self._store.settings.prefix, self._dataset.name, source, begin_ms, digest, part=self._part)
        self._store.put(key, body)
        rows = sum(batch.num_rows for batch in batches)
        log.info("stored s3://%s/%s (%d records)", self._store.settings.bucket, key, rows)
        return File(key, source, begin_ms, last_ms, rows, len(body), stats)

    def _absent(
        self, result: Compacted, new: Collection[File], old: Collection[File], raw: Collection[str]
    ) -> list[str]:
        """Ids of ``old`` files and ``raw`` objects that are not in the ``new`` files, as they are read back."""
        known = {(fault.key, fault.number) for fault in result.faults}

        def report(fault: Fault) -> None:
            if (fault.key, fault.number) not in known:
                result.faults.append(fault)

        source, _, span = result.place
        found: list[str] = []
        if replaced := [file for file in old if file not in new]:
            found += lacking(self._files(new), self._files(replaced), source, span, report)
        if raw:
            objects = RawForm(self._store, self._dataset, self._part, only=set(raw))
            found += lacking(self._files(new), objects, source, span, report)
        return found

    def _remove(self, result: Compacted, keys: Collection[str]) -> None:
        damaged = {fault.key for fault in result.faults}
        for key in keys:
            if key not in damaged:
                self._store.delete(key)
                result.removed += 1

    def _failure(self, place: TablePlace, absent: list[str]) -> OperatorError:
        return OperatorError(
            f"the new files of {place} lack {len(absent)} records that they should have, for "
            f"example {absent[0]}; nothing was replaced or removed",
            remedy="Run it again; if that says the same, report it with the log",
        )

    @property
    def _whole(self) -> WholeLake:
        return WholeLake(self._files(None), self._raw, self._part)

    def _files(self, only: Collection[File] | None) -> FileForm:
        return FileForm(self._store, self._dataset, self._part, only=only)


def made_of_objects(raw: list[str]) -> int:
    """What a period's files are made of, as one number: of the names of its raw objects."""
    return int(hashlib.sha256("\n".join(sorted(raw)).encode()).hexdigest()[:15], 16)
