"""`cryptoproxy lake …`: what lies in the lake, and what of it is over as a table."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.cli.values import day_of, moment, word
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, Feed, Part, iso
from cryptoproxy.datasets.times import DAY_MS, Span, written
from cryptoproxy.errors import PoisonError, visible
from cryptoproxy.lake.objects import RAW, folder, lines_of, slots_of
from cryptoproxy.lake.store import Store

if TYPE_CHECKING:
    from cryptoproxy.lake.compact import Compacted


@click.group()
def lake() -> None:
    """Look into the lake on S3; put what is over into a table."""


@lake.command()
@dataset_option("tickers", parts=True)
@click.option("--source", callback=word, help="Only this source.")
@click.option("--date", "day", callback=day_of, metavar="DATE", help="Only this day, as 2026-11-01; needs --source.")
@click.option("--table", "compacted", is_flag=True, help="The Parquet files that count, instead of the polls' objects.")
@click.option("--records", is_flag=True, help="Also how many records are in each; reads the polls' objects.")
@click.pass_obj
def ls(
    env_file: Path,
    *,
    datasets: list[tuple[Dataset[Any], str | None]],
    source: str | None,
    day: int | None,
    compacted: bool,
    records: bool,
) -> None:
    """List the objects of the lake, with their sizes; how many there are, and their sum, go to standard error."""
    if day is not None and not source:
        raise click.UsageError("--date needs --source: objects lie by source, then by day")
    settings = load_settings(env_file).s3
    store = Store(settings)
    total = size = records_in_all = 0
    listed = _files if compacted else _objects
    for dataset, part in parts_of(datasets or [(TICKER, None)]):
        for key, each, told in listed(store, dataset, part, source, day):
            words = f"s3://{settings.bucket}/{key}  {each:,} bytes"
            if records:
                found = told if compacted else _records(store, key)
                records_in_all += found or 0
                words += "  not one of ours" if found is None else f"  {found:,} records"
            click.echo(words)
            total += 1
            size += each
    said = f"{total:,} {'object' if total == 1 else 'objects'}, {size:,} bytes"
    click.echo(f"{said}, {records_in_all:,} records" if records else said, err=True)


Listed = Iterator[tuple[str, int, int | None]]
"""(key, bytes, records in it, if that is known)."""


def parts_of(chosen: Iterable[tuple[Dataset[Any], str | None]]) -> Iterator[tuple[Dataset[Any], Part]]:
    """Each part of what was chosen."""
    for dataset, named in chosen:
        yield from ((dataset, part) for name, part in dataset.parts.items() if named in (None, name))


def _objects(store: Store, dataset: Dataset[Any], part: Part, source: str | None, day: int | None) -> Listed:
    date = None if day is None else written(day)
    where = folder(store.settings.prefix, dataset.name, RAW, source, date, part=part.name)
    return ((key, size, None) for key, size in store.sizes(where))


def _records(store: Store, key: str) -> int | None:
    """Of an object; None for something else that lies there, or that is damaged."""
    if slots_of(key) is None:
        return None
    try:
        return sum(1 for _ in lines_of(key, store.get(key)))
    except PoisonError:
        return None


def _files(store: Store, dataset: Dataset[Any], part: Part, source: str | None, day: int | None) -> Listed:
    """Those that count."""
    from cryptoproxy.lake.table import Table

    span = None if day is None else Span(day, day + DAY_MS)
    for file in Table(store, dataset).files(source, span, part.name):
        yield file.key, file.size, file.rows


KEEP_DAYS = 7
_keep = click.IntRange(1, 3660)


@lake.command()
@dataset_option("all", parts=True)
@click.option(
    "--date", "days", multiple=True, callback=day_of, metavar="DATE",
    help="The day, month or year that this day, UTC, is in, as 2026-11-01. Repeatable.",
)  # fmt: skip
@click.option("--days", "last", type=click.IntRange(1, 3660), metavar="N", help="What has ended in the last N days.")
@click.option("--all", "every", is_flag=True, help="All that is over, however old: a history brings old days.")
@click.option("--source", "sources", multiple=True, help="Only this source. May be repeated.")
@click.option("--delete-raw", is_flag=True, help="Remove the objects that are proved to be in the files, id by id.")
@click.option("--unfinished", is_flag=True, help="Allow what is not over yet; a later run merges the rest.")
@click.option("--expire", is_flag=True, help=f"Then remove what has not counted for {KEEP_DAYS} days.")
@click.pass_obj
@click.pass_context
def compact(
    context: click.Context,
    env_file: Path,
    *,
    datasets: list[tuple[Dataset[Any], str | None]],
    days: list[int],
    last: int | None,
    every: bool,
    sources: tuple[str, ...],
    delete_raw: bool,
    unfinished: bool,
    expire: bool,
) -> None:
    """Make objects into Parquet files of the table, one commit per source and day.

    Of candles a file holds a month (3m to 30m) or a year (1h and longer); it is made when that is over. May be run
    again: what came since is merged, and else nothing changes. Exit code 1 if something cannot be read; what it is in
    is kept.
    """
    if sum(map(bool, (days, last, every))) != 1:
        raise click.UsageError("say which days: --date DATE (repeatable), --days N or --all")
    from cryptoproxy.lake.compact import GRACE_MS, Compaction

    settings = start(env_file)
    store = Store(settings.s3, patiently=Patience("S3", threading.Event().wait))
    now_ms = SystemClock().now_ms
    chosen = list(parts_of(datasets or [(each, None) for each in DATASETS.values()]))
    there = [
        (dataset, part, compaction, found)
        for dataset, part in chosen
        if (found := (compaction := Compaction(store, dataset, part, now_ms=now_ms)).sources())
    ]
    known = sorted({source for *_, found in there for source in found})
    if unknown := sorted(set(sources) - set(known)):
        raise click.UsageError(f"the lake has nothing of {', '.join(unknown)}; it knows {', '.join(known)}")
    if last:
        today_ms = now_ms() - GRACE_MS
        today_ms -= today_ms % DAY_MS
        days = [today_ms - DAY_MS * back for back in range(last, 0, -1)]
    damaged = 0
    for dataset, part, compaction, found in there:
        for source in [each for each in found if each in sources or not sources]:
            periods = compaction.uncompacted(source) if every else sorted({part.file_span(day_ms) for day_ms in days})
            for period in periods:
                if not unfinished and not compaction.over(period) and (every or last):
                    continue
                done = compaction.period(source, period.begin_ms, delete_raw=delete_raw, unfinished=unfinished)
                damaged += len(done.faults)
                name = Feed(source, dataset.name, part.name).name
                _tell(done, f"{name} {part.file_of(iso(period.begin_ms))}", settings.s3.bucket)
    if expire:
        _expire(store, {dataset.name: dataset for dataset, *_ in there}.values(), KEEP_DAYS)
    context.exit(1 if damaged else 0)


def _tell(done: Compacted, what: str, bucket: str) -> None:
    if not done.files:
        click.echo(f"{what}: nothing there")
    else:
        state = "written" if done.written else "was there already"
        removed = f", {done.removed} objects removed" if done.removed else ""
        files = ", ".join(f"s3://{bucket}/{file.key}" for file in done.files)
        click.echo(f"{what}: {done.records} records, {done.raw_objects} raw objects, {files} {state}{removed}")
    for fault in done.faults[:20]:
        click.echo(f"  cannot be read: {visible(str(fault)[:1000])}", err=True)
    if len(done.faults) > 20:
        click.echo(f"  and {len(done.faults) - 20} more", err=True)


@lake.command("expire")
@dataset_option("all")
@click.option(
    "--days", type=_keep, default=KEEP_DAYS, show_default=True, metavar="N", help="Keep what counted so lately."
)
@click.pass_obj
def expire_command(env_file: Path, *, datasets: list[Dataset[Any]], days: int) -> None:
    """Remove files that have not counted for N days: of older versions, and of runs that were broken off.

    No raw object is touched, and nothing that is in the table now. Older versions cannot be read after that.
    """
    settings = start(env_file)
    store = Store(settings.s3, patiently=Patience("S3", threading.Event().wait))
    _expire(store, datasets or DATASETS.values(), days)


def _expire(store: Store, datasets: Iterable[Dataset[Any]], days: int) -> None:
    from cryptoproxy.lake.table import Table

    for dataset in datasets:
        table = Table(store, dataset)
        gone = table.expire(days * 24)
        click.echo(f"{dataset.name}: {gone} files removed that had not counted for {days} days")


@lake.command()
@dataset_option("all that have a topic", parts=True)
@click.option(
    "--since", callback=moment, metavar="TIME", required=True,
    help="What was put onto the topic from then on: a date, a time (UTC), or 12h or 7d (ago).",
)  # fmt: skip
@click.pass_obj
def fill(env_file: Path, *, datasets: list[tuple[Dataset[Any], str | None]], since: int) -> None:
    """Put into the lake what the topics have and it lacks, by the records' ids.

    For after a time in which S3 was away for so long that polls were kept for Kafka alone. May be run again: then
    nothing is lacking. Objects that wait in the poller's outbox may be stored twice by it, which does no harm.
    """
    from cryptoproxy.consumer.backfill.fill import Fill, records_since, topics_there

    settings = start(env_file)
    store = Store(settings.s3, patiently=Patience("S3", threading.Event().wait))
    there = topics_there(settings.kafka)
    for dataset, part in parts_of(datasets or [(each, None) for each in DATASETS.values()]):
        topic = settings.kafka.topic_of(dataset, part.name)
        if not datasets and topic not in there:
            continue
        done = Fill(store, dataset, part).run(
            records_since(settings.kafka, topic, since), now_ms=SystemClock().now_ms()
        )
        left = f", {done.poison} cannot be read" if done.poison else ""
        left += f", {done.ahead} are ahead of this clock and left out" if done.ahead else ""
        click.echo(
            f"{topic}: {done.read} records since {written(since)}, {done.lacked} of them were lacking in the lake, "
            f"stored as {done.objects} objects{left}"
        )
