"""The year through the lake: as raw objects or as daily Parquet files, replayed into the index."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from elasticsearch import Elasticsearch as Client
from rich.console import Console

from benchmarks.queries.load import Loaded, measured, settle
from benchmarks.queries.synthetic import DAY_MS, Year
from benchmarks.queries.timing import cpu_of
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.engines.cluster import bring_up, take_down
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.objects import raw_object
from cryptoproxy.lake.store import Store

DAYS_AT_ONCE = 8


def replayed(
    client: Client, alias: str, year: Year, engine: Elasticsearch, folder: Path, *, parquet: bool, console: Console
) -> Loaded:
    """What the replay alone cost; writing the lake is not counted."""
    with s3_store(folder, {"ES_URL_ENDPOINT": engine.endpoint, "ES_INDEX": alias}) as settings:
        Store(settings.s3).make_bucket()
        began = time.monotonic()
        _archive(settings, year, parquet=parquet)
        console.print(f"the lake is written: {time.monotonic() - began:.0f} s")
        assert engine.pid is not None
        began, spent = time.monotonic(), cpu_of(engine.pid)
        wiring.replay(
            settings,
            TICKER,
            Span(year.begin_ms, year.end_ms),
            sources=None,
            topic=None,
            rate=None,
            resume=False,
            progress_dir=folder / "replay",
            console=console,
        )
        seconds, cpu = time.monotonic() - began, cpu_of(engine.pid) - spent
    settle(client, alias)
    return measured(client, alias, seconds=seconds, cpu=cpu)


@contextmanager
def s3_store(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Settings]:
    """An S3 of its own in ``folder``; the settings that name it, and ``more``."""
    (port,) = free_ports(1)
    s3 = S3(
        folder / "s3",
        port=port,
        access_key="bench",
        secret_key="bench-secret",
        heap_mb=256,
        options=Options(die_with_parent=True),
    )
    bring_up((s3,))
    try:
        yield Settings.from_texts(
            {
                **(more or {}),
                "AWS_S3_ENDPOINT_URL": s3.endpoint,
                "AWS_S3_ACCESS_KEY": "bench",
                "AWS_S3_SECRET_KEY": "bench-secret",
            }
        )
    finally:
        take_down((s3,))


def _archive(settings: Settings, year: Year, *, parquet: bool) -> None:
    """Some days at a time, by as many processes as there are cores: Python makes a year's records in half an hour."""
    days = (year.end_ms - year.begin_ms) // DAY_MS
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = [
            pool.submit(_archive_days, settings, year, first, min(first + DAYS_AT_ONCE, days), parquet)
            for first in range(0, days, DAYS_AT_ONCE)
        ]
        for part in parts:
            part.result()


def _archive_days(settings: Settings, year: Year, first: int, last: int, parquet: bool) -> None:
    store = Store(settings.s3)
    for day, polls in groupby(year.polls(first, last), key=lambda poll: poll[0] // DAY_MS):
        _put_hours(store, polls)
        if parquet:
            Compaction(store, now_ms=lambda: year.end_ms + DAY_MS).period("coingecko", day * DAY_MS, delete_raw=True)


def _put_hours(store: Store, polls: Iterable[tuple[int, list[tuple[str, bytes]]]]) -> None:
    """An object an hour, as the lake's names allow: none reaches beyond the hour of its first slot."""
    for hour, of_hour in groupby(polls, key=lambda poll: poll[0] // HOUR_MS):
        _put(store, hour * HOUR_MS, [line for _, poll in of_hour for _, line in poll])


def _put(store: Store, slot_ms: int, lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    key = raw_object(store.settings.prefix, "ticker", "coingecko", slot_ms, hashlib.sha256(text).hexdigest())
    store.put(key, gzip.compress(text, 1))
