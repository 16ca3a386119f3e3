"""The daily form of the lake: one Parquet file per source and day (``cryptoproxy lake compact`` makes them).

For a moment there may be two files of a day, the older one about to be removed. A file is sorted by symbol, but replays
and proofs go by time: one pass cuts it into hours on disk, then an hour costs its own rows, not the day's.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span, slot_of
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.form import Fault, Stored
from cryptoproxy.lake.objects import DAILY, day_of, days_in, folder, is_as_named, sources_in
from cryptoproxy.lake.parquet import LINE, SCHEMA, digest, lines
from cryptoproxy.lake.store import Store

HOURS = "hours"
"""Metadata of a file: the hours of the day that it has anything of, as ``0,1,23``."""
_NUMBER = re.compile(r"\d{1,2}")
_BATCH_ROWS = 16_384
_AT_ONCE = 2_000
"""Rows as Python objects at once."""
_ROW = "__number"


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


class HourFiles:
    """The rows of the file at ``path``, by hour, in ``folder``; ``path`` itself is not needed any more.

    Raises:
        pyarrow.ArrowInvalid: it is no such file.
        OperatorError: it was written by a newer version of this program.
    """

    def __init__(self, key: str, path: Path, folder: Path) -> None:
        self.key = key
        self._closed = False
        self._files: dict[int, Path] = {}
        with ExitStack() as undone, pq.ParquetFile(path) as file:
            _check(key, file.schema_arrow)
            schema = file.schema_arrow.append(pa.field(_ROW, pa.int64()))
            writers: dict[int, pa.RecordBatchFileWriter] = {}
            seen = 0
            for part in file.iter_batches(_BATCH_ROWS):
                numbers = pa.array(range(seen + 1, seen + 1 + part.num_rows), pa.int64())
                seen += part.num_rows
                whole = pa.RecordBatch.from_arrays([*part.columns, numbers], schema=schema)
                slots = part.column("timestamp").cast(pa.int64())
                hours = pc.multiply(pc.divide(slots, HOUR_MS), HOUR_MS)
                for hour in pc.unique(hours).to_pylist():
                    if hour not in writers:
                        self._files[hour] = folder / f"{hour}.arrow"
                        writers[hour] = undone.enter_context(pa.ipc.new_file(str(self._files[hour]), schema))
                    writers[hour].write_batch(whole.filter(pc.equal(hours, hour)))

    def records(self, hour_ms: int) -> Iterator[Stored]:
        """The rows of one hour, the oldest slot first.

        Raises:
            RuntimeError: it was closed, so that nothing is not told from none.
        """
        if self._closed:
            raise RuntimeError(f"{self.key} is read on after it was closed")
        if hour_ms not in self._files:
            return
        with pa.memory_map(str(self._files[hour_ms])) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
            order = pc.sort_indices(table.column("timestamp"))
            for at in range(0, table.num_rows, _AT_ONCE):
                part = table.take(order.slice(at, _AT_ONCE))
                numbers = part.column(_ROW).to_pylist()
                for number, (identity, slot_ms, line) in zip(numbers, lines(part), strict=True):
                    yield Stored(identity, slot_ms, line, self.key, number)

    def close(self) -> None:
        """Nothing more is read."""
        self._closed = True


def _check(key: str, schema: pa.Schema) -> None:
    if unknown := sorted(set(schema.names) - set(SCHEMA.names)):
        raise OperatorError(
            f"{key} has columns that this version does not know: {', '.join(unknown)}", remedy="Update cryptoproxy"
        )
    lacking = {field.name for field in SCHEMA if not field.nullable or field.name == LINE} - set(schema.names)
    wrong = [name for name in schema.names if schema.field(name).type != SCHEMA.field(name).type]
    if lacking or wrong:
        raise pa.ArrowInvalid(f"its columns are not those of a record: {', '.join(sorted(lacking) + wrong)}")


class DailyForm:
    """See :class:`lake.form.Form`. Files are fetched to ``scratch``, where each source's latest day stays, cut
    into hours, until another one is read.

    Args:
        only: these files, whatever else is there.
    """

    def __init__(self, store: Store, scratch: Path, *, only: Collection[str | None] | None = None) -> None:
        self._store = store
        self._scratch = scratch
        self._only = only
        self._open: dict[str, tuple[tuple[int, tuple[str, ...]], TemporaryDirectory[str], list[HourFiles]]] = {}

    def sources(self) -> list[str]:
        return sources_in(self._store.folders(folder(self._store.settings.prefix, DAILY)))

    def keys(self, source: str, day_ms: int) -> list[str]:
        """The files of a day: one, or none; for a moment more."""
        base = folder(self._store.settings.prefix, DAILY, source, iso(day_ms)[:10])
        found = self._store.keys(base)
        return [key for key in found if day_of(key) == day_ms and (self._only is None or key in self._only)]

    def hours(self, source: str, span: Span) -> list[int]:
        folders = self._store.folders(folder(self._store.settings.prefix, DAILY, source))
        found = {
            day_ms + hour * HOUR_MS
            for _, day_ms in days_in(folders, span)
            for key in self.keys(source, day_ms)
            for hour in self._hours(key)
        }
        return sorted(hour_ms for hour_ms in found if not span.cut(hour_ms).empty)

    def _hours(self, key: str) -> list[int]:
        told = self._store.metadata(key).get(HOURS, "").split(",")
        # A store or a copy that keeps no metadata, or not ours, tells nothing: any hour may be there.
        return [int(each) for each in told] if all(map(_NUMBER.fullmatch, told)) else list(range(24))

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """As the others; while there are two files of a day, an id may come from each."""
        for day in span.parts(DAY_MS):
            day_ms = slot_of(day.begin_ms, DAY_MS)
            keys = self.keys(source, day_ms)
            if not keys:
                continue
            files = self._day(source, day_ms, tuple(keys), report)
            for hour_ms in day.hours():
                streams = [each.records(hour_ms) for each in files]
                for stored in heapq.merge(*streams, key=attrgetter("slot_ms")):
                    if stored.slot_ms in day:
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
        try:
            if not is_as_named(key, digest(path)):
                return Fault(key, None, "damaged_object", f"{key} holds other bytes than its name says")
            return HourFiles(key, path, place)
        except pa.ArrowInvalid as error:
            return Fault(key, None, "damaged_object", f"{key} is no Parquet file: {error}")
        finally:
            path.unlink()
