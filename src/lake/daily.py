"""The daily form of the lake: one Parquet file per source and day (``cryptoproxy lake compact`` makes them).

``{prefix}/v1/daily/source=coingecko/dt=2026-11-20/coingecko-20261120-0123456789ab.parquet``: the first 12 hex digits of
the file's SHA-256, so that two compactions at once never fight over a name, and damage is noticed. For a moment there
may be two files of a day, the older one about to be removed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.record import from_iso, iso
from cryptoproxy.lake.archive import Fault, Stored
from cryptoproxy.lake.hours import HourFiles
from cryptoproxy.lake.objects import DAILY, folder
from cryptoproxy.lake.parquet import digest
from cryptoproxy.lake.span import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.store import Store

HOURS = "hours"
"""Metadata of a file: the hours of the day that it has anything of, as ``0,1,23``."""
_NUMBER = re.compile(r"\d{1,2}")
_DAY = re.compile(r"dt=(\d{4}-\d{2}-\d{2})\Z")
_KEY = re.compile(
    r"(?:.+/)?v1/daily/source=(?P<source>[^/]+)/dt=(?P<day>\d{4}-\d{2}-\d{2})/"
    r"(?P=source)-(?P<date>\d{8})-(?P<hash>[0-9a-f]{12})\.parquet\Z"
)


def daily_object(prefix: str, source: str, day_ms: int, content_hash: str) -> str:
    """The name of a day's file."""
    day = iso(day_ms)[:10]
    return f"{folder(prefix, DAILY, source, day)}{source}-{day.replace('-', '')}-{content_hash[:12]}.parquet"


def day_of(key: str) -> int | None:
    """The begin of a file's day, by its key; None for a key that is not such a file's."""
    found = _KEY.match(key)
    if found is None or found["day"].replace("-", "") != found["date"]:
        return None
    try:
        return from_iso(f"{found['day']}T00:00:00.000Z")
    except ValueError:
        return None


@contextmanager
def scratch_errors(folder: Path) -> Iterator[None]:
    """A day is fetched, sorted and cut on disk; what the disk refuses is a person's matter."""
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{folder}, for temporary files, cannot be used: {error}",
            remedy="Give it room for two days of records as JSON, or name another folder (TMPDIR, --scratch)",
        ) from error


class DailyArchive:
    """See :class:`lake.archive.Archive`. Files are fetched to ``scratch``, where each source's latest day stays, cut
    into hours, until another one is read.

    Args:
        only: these files, whatever else is there.
    """

    def __init__(
        self,
        store: Store,
        scratch: Path,
        *,
        only: Collection[str | None] | None = None,
    ) -> None:
        self._store = store
        self._scratch = scratch
        self._only = only
        self._open: dict[str, tuple[tuple[int, tuple[str, ...]], TemporaryDirectory[str], list[HourFiles]]] = {}

    def sources(self) -> list[str]:
        names = self._store.folders(folder(self._store.settings.prefix, DAILY))
        return [name.removeprefix("source=") for name in names if name.startswith("source=")]

    def keys(self, source: str, day_ms: int) -> list[str]:
        """The files of a day: one, or none; for a moment more."""
        base = folder(self._store.settings.prefix, DAILY, source, iso(day_ms)[:10])
        found = self._store.keys(base)
        return [key for key in found if day_of(key) == day_ms and (self._only is None or key in self._only)]

    def hours(self, source: str, span: Span) -> list[int]:
        base = folder(self._store.settings.prefix, DAILY, source)
        begin, end = iso(span.begin_ms)[:10], iso(span.end_ms - 1)[:10]
        found: set[int] = set()
        for name in self._store.folders(base):
            day = _DAY.match(name)
            if day is None or not begin <= day[1] <= end:
                continue
            try:
                day_ms = from_iso(f"{day[1]}T00:00:00.000Z")
            except ValueError:
                continue  # a folder that somebody else made
            for key in self.keys(source, day_ms):
                found.update(day_ms + hour * HOUR_MS for hour in self._hours(key))
        return sorted(hour for hour in found if not span.cut(hour).empty)

    def _hours(self, key: str) -> list[int]:
        told = self._store.metadata(key).get(HOURS, "").split(",")
        # A store or a copy that keeps no metadata, or not ours, tells nothing: any hour may be there.
        return [int(each) for each in told] if all(map(_NUMBER.fullmatch, told)) else list(range(24))

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """As the others; while there are two files of a day, an id may come from each."""
        for day_ms in span.days():
            keys = self.keys(source, day_ms)
            if not keys:
                continue
            files = self._day(source, day_ms, tuple(keys), report)
            for hour_ms in Span(max(span.begin_ms, day_ms), min(span.end_ms, day_ms + DAY_MS)).hours():
                streams = [each.records(hour_ms) for each in files]
                part = span.cut(hour_ms)
                for stored in heapq.merge(*streams, key=attrgetter("slot_ms")):
                    if stored.slot_ms in part:
                        yield stored

    def close(self) -> None:
        """Removes what lies in ``scratch``."""
        for source in list(self._open):
            self._forget(source)

    def _forget(self, source: str) -> None:
        if source in self._open:
            _, place, files = self._open.pop(source)
            for each in files:
                each.close()
            place.cleanup()

    def _day(self, source: str, day_ms: int, keys: tuple[str, ...], report: Callable[[Fault], None]) -> list[HourFiles]:
        wanted = (day_ms, keys)
        if source in self._open and self._open[source][0] == wanted:
            return self._open[source][2]
        self._forget(source)
        with scratch_errors(self._scratch):
            place = TemporaryDirectory(dir=self._scratch, prefix="day-")
            try:
                found = [self._fetched(key, Path(place.name) / str(number)) for number, key in enumerate(keys)]
            except BaseException:
                place.cleanup()
                raise
        # Only now: a day of which one file is not here is not remembered as read.
        files = [each for each in found if isinstance(each, HourFiles)]
        self._open[source] = (wanted, place, files)
        for each in found:
            if isinstance(each, Fault):
                report(each)
        return files

    def _fetched(self, key: str, place: Path) -> HourFiles | Fault:
        place.mkdir()
        path = place / "day.parquet"
        self._store.download(key, path)
        found = _KEY.match(key)
        try:
            if found is not None and digest(path)[:12] != found["hash"]:
                return Fault(key, None, "damaged_object", f"{key} holds other bytes than its name says")
            return HourFiles(key, path, place)
        except pa.ArrowInvalid as error:
            return Fault(key, None, "damaged_object", f"{key} is no Parquet file: {error}")
        finally:
            path.unlink()
