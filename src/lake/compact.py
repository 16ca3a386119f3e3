"""A day's objects → one Parquet file: merge → write → put → prove → remove what it replaces.

Whatever is removed was proved, id by id, to be in a file that had been read back; and a file of other content has
another name. So two compactions at once, or one killed anywhere, lose nothing: at worst an older file, or raw objects,
stay until the next run.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.daily import HOURS, DailyForm, scratch_errors
from cryptoproxy.lake.form import Fault, lacking
from cryptoproxy.lake.objects import RAW, daily_object, first_slot, folder
from cryptoproxy.lake.parquet import Sorter, digest, row
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.lake.whole import WholeLake

log = logging.getLogger(__name__)

OBJECTS, RECORDS = "objects", "records"
"""Metadata of a file: a digest of the names of the raw objects in it, and how many rows it has."""
GRACE_MS = 300_000
"""After a day's end its last polls are still on their way; later ones are merged by the next run."""
TRIES = 3


@dataclass(slots=True)
class Compacted:
    """What became of one source's day."""

    source: str
    day_ms: int
    key: str | None = None
    """Its file; None where there is nothing of that day."""
    records: int = 0
    raw_objects: int = 0
    written: bool = False
    """False: the file was there already, with all that the raw objects have."""
    removed: int = 0
    """Raw objects, and files that this one replaces."""
    faults: list[Fault] = field(default_factory=list)
    """What of the day cannot be read. The objects it is in are kept."""


class Compaction:
    """Compacts days of the lake.

    Args:
        scratch: a folder with room for two days uncompressed.
    """

    def __init__(self, store: Store, scratch: Path, *, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._scratch = scratch
        self._now_ms = now_ms

    def sources(self) -> list[str]:
        """The sources that the lake has anything of."""
        return WholeLake(DailyForm(self._store, self._scratch), RawForm(self._store)).sources()

    def day(self, source: str, day_ms: int, *, delete_raw: bool = False, unfinished: bool = False) -> Compacted:
        """One source's day. A second run merges what came since, and else changes nothing.

        Args:
            delete_raw: remove the raw objects that are proved to be in the file.
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
                return self._attempt(source, day_ms, delete_raw)
            except MissingObjectError:
                if tries == TRIES:
                    raise
                log.info("%s %s: another run compacts it too; looks again", source, iso(day_ms)[:10])
        raise AssertionError("the last try returns or raises")

    def _attempt(self, source: str, day_ms: int, delete_raw: bool) -> Compacted:
        with (
            scratch_errors(self._scratch),
            tempfile.TemporaryDirectory(dir=self._scratch, prefix="compact-") as name,
        ):
            scratch = Path(name)
            result = Compacted(source, day_ms)
            with self._daily(scratch) as daily:
                before = daily.keys(source, day_ms)
            raw = self._raw_keys(source, day_ms)
            result.raw_objects = len(raw)
            if len(before) == 1 and self._holds(before[0], raw):
                result.key = before[0]
            else:
                self._write(result, raw, scratch)
            if result.key is None:
                return result
            replaced = [key for key in before if key != result.key]
            removable = raw if delete_raw else []
            if replaced or removable:
                absent = self._lacking(result, replaced, removable, scratch)
                if absent and not result.written:
                    # The file that was there is damaged: made again, it has the same name.
                    self._write(result, raw, scratch)
                    absent = self._lacking(result, replaced, removable, scratch)
                if absent:
                    raise self._failure(result, absent)
                self._remove(result, [*replaced, *removable])
            result.records = int(self._store.metadata(result.key).get(RECORDS, "0"))
            return result

    def _raw_keys(self, source: str, day_ms: int) -> list[str]:
        base = folder(self._store.settings.prefix, RAW, source, iso(day_ms)[:10])
        return [key for key in self._store.keys(base) if first_slot(key) is not None]

    def _holds(self, key: str, raw: list[str]) -> bool:
        return not raw or self._store.metadata(key).get(OBJECTS) == _names(raw)

    def _write(self, result: Compacted, raw: list[str], scratch: Path) -> None:
        """Merges what there is into a new file and stores it."""
        source, day = result.source, Span(result.day_ms, result.day_ms + DAY_MS)
        log.info("compacting %s %s: %d raw objects", source, iso(result.day_ms)[:10], len(raw))
        path = scratch / "new.parquet"
        hours: set[int] = set()
        faults: list[Fault] = []
        with self._daily(scratch) as daily, Sorter(scratch) as sorter:
            for stored in WholeLake(daily, RawForm(self._store)).records(source, day, faults.append):
                hours.add((stored.slot_ms - day.begin_ms) // HOUR_MS)
                sorter.add(row(stored.line))
            if sorter.count:
                sorter.write(path)
        if sorter.count:
            # With damage, the raw objects are looked at again the next time.
            objects = _names(raw) if not faults else ""
            key = put_day(self._store, source, result.day_ms, path, records=sorter.count, hours=hours, objects=objects)
            log.info("compacted s3://%s/%s (%d records)", self._store.settings.bucket, key, sorter.count)
            result.key, result.written = key, True
        result.faults = [fault for fault in faults if fault.key != result.key]

    def _lacking(self, result: Compacted, replaced: list[str], raw: list[str], scratch: Path) -> list[str]:
        """Ids of ``replaced`` files and ``raw`` objects that are not in the file, as it is read back."""
        source, day = result.source, Span(result.day_ms, result.day_ms + DAY_MS)
        known = {(fault.key, fault.number) for fault in result.faults}

        def report(fault: Fault) -> None:
            if (fault.key, fault.number) not in known:
                result.faults.append(fault)

        raw_form = RawForm(self._store, only=set(raw))
        with self._daily(scratch, [result.key]) as new, self._daily(scratch, replaced) as old:
            found = lacking(new, old, source, day, report) if replaced else []
            if raw:
                found += lacking(new, raw_form, source, day, report)
            return found

    def _remove(self, result: Compacted, keys: list[str]) -> None:
        damaged = {fault.key for fault in result.faults}
        for key in keys:
            if key not in damaged:
                self._store.delete(key)
                result.removed += 1

    def _failure(self, result: Compacted, absent: list[str]) -> OperatorError:
        assert result.key is not None  # noqa: S101 - the caller's part
        self._store.metadata(result.key)  # raises if another run has replaced the file meanwhile
        return OperatorError(
            f"{result.key} lacks {len(absent)} records that it should have, for example {absent[0]}; "
            "nothing was removed",
            remedy="Run it again; if that says the same, report it with the log",
        )

    def _daily(self, scratch: Path, only: Collection[str | None] | None = None) -> closing[DailyForm]:
        return closing(DailyForm(self._store, scratch, only=only))


def _names(keys: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def put_day(
    store: Store, source: str, day_ms: int, path: Path, *, records: int, hours: Collection[int], objects: str = ""
) -> str:
    """Stores a day's file, with what is told of it in its metadata; returns its key.

    Args:
        hours: those of the day, 0 to 23, that it has records of.
        objects: see :data:`OBJECTS`; empty for a file that was not made of raw objects.
    """
    key = daily_object(store.settings.prefix, source, day_ms, digest(path))
    store.upload(path, key, {OBJECTS: objects, RECORDS: str(records), HOURS: ",".join(map(str, sorted(hours)))})
    return key
