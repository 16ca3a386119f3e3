"""`cryptoproxy lake …`: what lies in the lake, and its days as a table."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import DAY_MS, Span, from_person, written
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.objects import RAW, first_slot, folder, lines_of
from cryptoproxy.lake.store import Store

if TYPE_CHECKING:
    from cryptoproxy.lake.compact import Compacted


@click.group()
def lake() -> None:
    """Look into the lake on S3; put its days into a table."""


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
@click.option("--daily", is_flag=True, help="The Parquet files that count, instead of the polls' objects.")
@click.option("--records", is_flag=True, help="Also how many records are in each; reads the polls' objects.")
@click.pass_obj
def ls(env_file: Path, *, source: str | None, day: int | None, daily: bool, records: bool) -> None:
    """List the objects of the lake, with their sizes; how many there are, and their sum, go to standard error."""
    if day is not None and not source:
        raise click.UsageError("--date needs --source: objects lie by source, then by day")
    settings = load_settings(env_file).s3
    store = Store(settings)
    total = size = records_in_all = 0
    for key, each, found in _files(store, source, day) if daily else _objects(store, source, day, records):
        words = f"s3://{settings.bucket}/{key}  {each:,} bytes"
        if records:
            records_in_all += found or 0
            words += "  not one of ours" if found is None else f"  {found:,} records"
        click.echo(words)
        total += 1
        size += each
    said = f"{total:,} {'object' if total == 1 else 'objects'}, {size:,} bytes"
    click.echo(f"{said}, {records_in_all:,} records" if records else said, err=True)


Listed = Iterator[tuple[str, int, int | None]]
"""(key, bytes, records in it, if that is known)."""


def _objects(store: Store, source: str | None, day: int | None, records: bool) -> Listed:
    where = folder(store.settings.prefix, TICKER.name, RAW, source, None if day is None else written(day))
    for key, size in store.sizes(where):
        yield key, size, _records(store, key) if records else None


def _records(store: Store, key: str) -> int | None:
    """Of an object; None for something else that lies there, or that is damaged."""
    if first_slot(key) is None:
        return None
    try:
        return sum(1 for _ in lines_of(key, store.get(key)))
    except PoisonError:
        return None


def _files(store: Store, source: str | None, day: int | None) -> Listed:
    """Those that count."""
    from cryptoproxy.lake.table import Table

    span = None if day is None else Span(day, day + DAY_MS)
    for file in Table(store, TICKER).files(source, span):
        yield file.key, file.size, file.rows


@lake.command()
@click.option(
    "--date", "days", multiple=True, callback=_day, metavar="DATE", help="This day, UTC, as 2026-11-01. Repeatable."
)
@click.option("--days", "last", type=click.IntRange(1, 3660), metavar="N", help="The last N days that are over.")
@click.option("--source", "sources", multiple=True, help="Only this source. May be repeated.")
@click.option("--delete-raw", is_flag=True, help="Remove the objects that are proved to be in the files, id by id.")
@click.option("--unfinished", is_flag=True, help="Allow a day that is not over yet; a later run merges the rest.")
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
) -> None:
    """Make a day's objects into Parquet files of the table, one commit per source and day.

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
    compaction = Compaction(Store(settings.s3, patiently=Patience("S3", threading.Event().wait)), now_ms=now_ms)
    there = compaction.sources()
    if unknown := sorted(set(sources) - set(there)):
        raise click.UsageError(f"the lake has nothing of {', '.join(unknown)}; it knows {', '.join(there)}")
    for day_ms in days:
        for source in sources or there:
            done = compaction.day(source, day_ms, delete_raw=delete_raw, unfinished=unfinished)
            damaged += len(done.faults)
            _tell(done, settings.s3.bucket)
    context.exit(1 if damaged else 0)


def _tell(done: Compacted, bucket: str) -> None:
    what = f"{done.source} {written(done.day_ms)}"
    if not done.files:
        click.echo(f"{what}: nothing there")
    else:
        state = "written" if done.written else "was there already"
        removed = f", {done.removed} objects removed" if done.removed else ""
        files = ", ".join(f"s3://{bucket}/{file.key}" for file in done.files)
        click.echo(f"{what}: {done.records} records, {done.raw_objects} raw objects, {files} {state}{removed}")
    for fault in done.faults[:20]:
        click.echo(f"  cannot be read: {str(fault)[:1000]}", err=True)
    if len(done.faults) > 20:
        click.echo(f"  and {len(done.faults) - 20} more", err=True)
