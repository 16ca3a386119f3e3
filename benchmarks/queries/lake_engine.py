"""The questions asked of the lake: the synthetic year as the files that compaction would make, on an S3 of its own.

Beside them stands what DuckDB needs for plain sums over the columns that they read: nothing can be much quicker.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from elasticsearch import Elasticsearch as Client

from benchmarks.figures import median
from benchmarks.queries.columns import SOURCE, days
from benchmarks.queries.lake import s3_store
from benchmarks.queries.measure import EndOfData, asked_of
from benchmarks.queries.synthetic import DAY_MS, Year
from benchmarks.queries.timing import ROUNDS, Timed
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.objects import file_object
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.raw import WHOLE
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import File, Table, TablePlace
from cryptoproxy.queries import Queries
from cryptoproxy.queries.lake.engine import Lake

KEYS = (
    "sum(strlen(source)), sum(strlen(asset_id)), sum(strlen(quote)), sum(strlen(symbol)), "
    "sum(epoch_ms(timestamp)), sum(interval_ms)"
)
"""What every question reads to tell assets and times apart. Text by its length: to compare it costs more than many a
question does with it."""


@contextmanager
def written(folder: Path, year: Year, tell: Callable[[str], None]) -> Iterator[Store]:
    """The year in the lake of ``folder``; days that are there stay."""
    with s3_store(folder) as settings:
        store = Store(settings.s3)
        store.make_bucket()
        began = time.monotonic()
        table = Table(store, TICKER)  # one: a new one reads the log of all days before
        there = {file.begin_ms: file.size for file in table.files()}
        size = sum(there.get(day) or _put(store, table, day, made()) for day, made in days(year))
        took = time.monotonic() - began
        tell(f"the lake has {year.documents:,} records, {size / 1e6:,.0f} MB; written in {took:.0f} s")
        yield store


def timed_on_lake(folder: Path, year: Year, since: str, tell: Callable[[str], None]) -> Iterator[Timed]:
    """``seconds`` of waiting, ``cpu`` of this process: DuckDB is in it. Each first by a connection of its own, as a
    command asks, then again by the same, which has the columns in memory."""
    with written(folder, year, tell) as store:
        client = Client("http://127.0.0.1:9")  # never asked
        clock = EndOfData(year.end_ms)
        for name, work in _works(client, year, since, clock).items():
            own = Lake(store)
            yield _timed(f"{name}, {since}, first", lambda own=own, work=work: work(own), rounds=1)
            yield _timed(f"{name}, {since}, again", lambda own=own, work=work: work(own), rounds=ROUNDS)
            own.close()
        client.close()


def _works(client: Client, year: Year, since: str, clock: EndOfData) -> dict[str, Callable[[Lake], int]]:
    """By name: what answers how many rows."""

    def asked(ask: Callable[[Queries], Any]) -> Callable[[Lake], int]:
        return lambda lake: sum(1 for _ in ask(Queries(client, lake=lake, engine="lake", clock=clock)))

    def added(field: str) -> Callable[[Lake], int]:
        return lambda lake: _sum(lake, year, f"sum({field}), {KEYS}")

    sums = {f"plain sum({field})": added(field) for field in ("price", "change_24h")}
    return sums | {name: asked(ask) for name, ask in asked_of(since).items()}


def _put(store: Store, table: Table, day_ms: int, batch: Any) -> int:
    """A day's file, and the commit that makes it count; its bytes."""
    body, stats = Columns(TICKER).file([batch])
    key = file_object(store.settings.prefix, TICKER.name, SOURCE, day_ms, hashlib.sha256(body).hexdigest(), part=WHOLE)
    store.put(key, body)
    span = Span(day_ms, day_ms + DAY_MS)
    file = File(key, SOURCE, day_ms, span.end_ms - 1, batch.num_rows, len(body), stats)
    table.replace(TablePlace(SOURCE, WHOLE.name, span), [file], [], made_of=1, now_ms=day_ms)
    return len(body)


def _sum(lake: Lake, year: Year, what: str) -> int:
    table = lake.duck.table(TICKER, [SOURCE], Span(year.begin_ms, year.end_ms))
    return len(list(lake.duck.ask(f"SELECT {what} FROM {table}")))


def _timed(name: str, work: Callable[[], int], *, rounds: int) -> Timed:
    seconds, cpu, rows = [], [], 0
    for _ in range(rounds):
        began, spent = time.monotonic(), _spent()
        rows = work()
        seconds.append(time.monotonic() - began)
        cpu.append(_spent() - spent)
    return Timed(name, median(seconds), median(cpu), 1, rows)


def _spent() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system
