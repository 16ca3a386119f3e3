"""`cryptoproxy lake …`: what lies in the lake, and its days as Parquet files."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets.times import DAY_MS, from_person, written
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.objects import DAILY, RAW, first_slot, folder, lines_of
from cryptoproxy.lake.store import Store

if TYPE_CHECKING:
    from cryptoproxy.lake.compact import Compacted


@click.group()
def lake() -> None:
    """Look into the lake on S3; make its days into Parquet files."""


def _day(context: click.Context, param: click.Parameter, value: str | tuple[str, ...] | None) -> Any:
    """The begin of a day, or of each of several."""
    if value is None or isinstance(value, tuple):
        return None if value is None else [_day(context, param, each) for each in value]
    try:
        day_ms = from_person(value, now_ms=SystemClock().now_ms())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if day_ms % DAY_MS:
        raise click.BadParameter(f"{value!r} is not a date like 2026-11-01")
    return day_ms


@lake.command()
@click.option("--source", help="Only this source.")
@click.option("--date", "day", callback=_day, metavar="DATE", help="Only this day, as 2026-11-01; needs --source.")
@click.option("--daily", is_flag=True, help="The days' Parquet files instead of the polls' objects.")
@click.option("--records", is_flag=True, help="Also how many records are in each; reads the polls' objects.")
@click.pass_obj
def ls(env_file: Path, *, source: str | None, day: int | None, daily: bool, records: bool) -> None:
    """List the objects of the lake, with their sizes; how many there are, and their sum, go to standard error."""
    if day is not None and not source:
        raise click.UsageError("--date needs --source: objects lie by source, then by day")
    settings = load_settings(env_file).s3
    store = Store(settings)
    count = size = total = 0
    where = folder(settings.prefix, DAILY if daily else RAW, source, None if day is None else written(day))
    for key, each in store.sizes(where):
        words = f"s3://{settings.bucket}/{key}  {each:,} bytes"
        if records:
            found = _records(store, key)
            total += found or 0
            words += "  not one of ours" if found is None else f"  {found:,} records"
        click.echo(words)
        count += 1
        size += each
    said = f"{count:,} {'object' if count == 1 else 'objects'}, {size:,} bytes"
    click.echo(f"{said}, {total:,} records" if records else said, err=True)


def _records(store: Store, key: str) -> int | None:
    """Of an object or a day's file; None for something else that lies there, or that is damaged."""
    from cryptoproxy.lake.compact import RECORDS

    try:
        if first_slot(key) is not None:
            return sum(1 for _ in lines_of(key, store.get(key)))
    except PoisonError:
        return None
    told = store.metadata(key).get(RECORDS, "")
    return int(told) if told.isdigit() else None


@lake.command()
@click.option(
    "--date", "days", multiple=True, callback=_day, metavar="DATE", help="This day, UTC, as 2026-11-01. Repeatable."
)
@click.option("--days", "last", type=click.IntRange(1, 3660), metavar="N", help="The last N days that are over.")
@click.option("--source", "sources", multiple=True, help="Only this source. May be repeated.")
@click.option("--delete-raw", is_flag=True, help="Remove the objects that are proved to be in the file, id by id.")
@click.option("--unfinished", is_flag=True, help="Allow a day that is not over yet; a later run merges the rest.")
@click.option(
    "--scratch", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="PATH",
    help="Folder with room for two days uncompressed; without, the system's for temporary files.",
)  # fmt: skip
@click.pass_obj
@click.pass_context
def compact(
    context: click.Context,
    env_file: Path,
    *,
    days: list[int],
    last: int | None,
    sources: tuple[str, ...],
    delete_raw: bool,
    unfinished: bool,
    scratch: Path | None,
) -> None:
    """Make a day's objects into one Parquet file per source.

    May be run again: what came since is merged, and else nothing changes. Exit code 1 if something of a day cannot be
    read; what it is in is kept.
    """
    if bool(days) == bool(last):
        raise click.UsageError("say which days: --date DATE (repeatable) or --days N")
    from cryptoproxy.lake.compact import GRACE_MS, Compaction

    settings = start(env_file)
    now_ms = SystemClock().now_ms
    if last:
        today_ms = now_ms() - GRACE_MS
        today_ms -= today_ms % DAY_MS
        days = [today_ms - DAY_MS * back for back in range(last, 0, -1)]
    damaged = 0
    with _orderly_end(), tempfile.TemporaryDirectory(prefix="cryptoproxy-compact-", dir=scratch) as place:
        store = Store(settings.s3, patiently=Patience("S3", threading.Event().wait))
        compaction = Compaction(store, Path(place), now_ms=now_ms)
        there = compaction.sources()
        if unknown := sorted(set(sources) - set(there)):
            raise click.UsageError(f"the lake has nothing of {', '.join(unknown)}; it knows {', '.join(there)}")
        for day_ms in days:
            for source in sources or there:
                done = compaction.day(source, day_ms, delete_raw=delete_raw, unfinished=unfinished)
                damaged += len(done.faults)
                _tell(done, settings.s3.bucket)
    context.exit(1 if damaged else 0)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, so that what lies in the scratch folder is removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # a test's thread
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(done: Compacted, bucket: str) -> None:
    what = f"{done.source} {written(done.day_ms)}"
    if done.key is None:
        click.echo(f"{what}: nothing there")
    else:
        state = "written" if done.written else "was there already"
        removed = f", {done.removed} objects removed" if done.removed else ""
        click.echo(
            f"{what}: {done.records} records, {done.raw_objects} raw objects, s3://{bucket}/{done.key} {state}{removed}"
        )
    for fault in done.faults[:20]:
        click.echo(f"  cannot be read: {str(fault)[:1000]}", err=True)
    if len(done.faults) > 20:
        click.echo(f"  and {len(done.faults) - 20} more", err=True)
