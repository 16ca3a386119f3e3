"""Batch: what `cryptoproxy lake compact` does, by its code, of many days side by side: a day (of longer bars a month or
a year) for each task. Each is proved id by id and is one commit of its own, so whoever is killed loses nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable

from session import arguments, session, settings, span_of

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import called
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store

Period = tuple[str, int]
"""Source, and begin in ms."""
Done = tuple[str, int, bool, int]
"""What it was, how many records are in its files, whether they were written now, and how much cannot be read."""


def on_a_worker(found: Settings, name: str, *, delete_raw: bool) -> Callable[[Period], Done]:
    """What is called there knows only installed packages, not the jobs' folder. What it raises fails the task, and
    Spark tries it again."""

    def one(period: Period) -> Done:
        dataset, part = called(name)
        compaction = Compaction(Store(found.s3), dataset, dataset.parts[part], now_ms=SystemClock().now_ms)
        done = compaction.period(*period, delete_raw=delete_raw)
        return str(done.place), done.records, done.written, len(done.faults)

    return one


def main(words: list[str] | None = None) -> None:
    parser = arguments("Compacts days of the lake that have raw objects, side by side.")
    parser.add_argument(
        "--delete-raw", action="store_true", help="remove the objects that are proved to be in the files"
    )
    given = parser.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    compaction = Compaction(Store(found.s3), dataset, dataset.parts[part], now_ms=SystemClock().now_ms)
    periods = [
        (source, period.begin_ms)
        for source in compaction.sources()
        for period in compaction.uncompacted(source)
        if period.begin_ms in span and compaction.over(period)
    ]
    name = dataset.called(part)
    if not periods:
        print(f"compact {name} {span}: nothing there that is over")
        return
    spark = session(f"compact-{name}", found)
    work = on_a_worker(found, name, delete_raw=given.delete_raw)
    done = sorted(spark.sparkContext.parallelize(periods, len(periods)).map(work).collect())
    spark.stop()
    for place, records, written, faults in done:
        said = f"{'written' if written else 'was there already'}{f', {faults} CANNOT BE READ' if faults else ''}"
        print(f"  {place}: {records} records, {said}")
    print(f"compact {name} {span}: {len(done)} periods, {sum(records for _, records, *_ in done)} records")
    if any(faults for *_, faults in done):
        sys.exit(1)


if __name__ == "__main__":
    main()
