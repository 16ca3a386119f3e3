"""State of watch: 500 assets, seven days of a record a minute, fifty rules. What it takes of memory and disk, and how
long another process needs to have it again, after a stop and after a kill."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from benchmarks.context import Context
from benchmarks.cost import rss_mb
from benchmarks.figures import Report, at_most
from benchmarks.records import Made, records
from benchmarks.watched import ASSETS, at_the_begin, fifty, place_for, watch
from benchmarks.world import Child, Place, wait_until
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from cryptoproxy.watch.sharing.ledger import Ledger

DAYS = 7
SECONDS = 600


def benchmark(context: Context) -> Report:
    place = place_for(context)
    count = DAYS * DAY_MS // MINUTE_MS * ASSETS
    context.say(f"  {count} records are made and put on their topic")
    place.load(_week(count))
    report = Report("watch-state", facts={"records": count, "assets": ASSETS})
    at_the_begin(place)
    with watch(context, place, fifty()) as child:
        _wait_back(place, child)
        bare = rss_mb(child.pid)
        began = time.monotonic()
        wait_until(
            lambda: child.metric("watch_records") >= count,
            seconds=SECONDS,
            what="all is judged",
            alive=child,
            every=0.5,
        )
        report.add("rate over the week", count / (time.monotonic() - began), "records/s")
        report.add("RSS with it", rss_mb(child.pid), "MB", at_most(300), f"{bare:.0f} before the first record")
        child.process.kill()
    for name in ("killed", "stopped"):
        with watch(context, place, fifty()) as child:
            seconds, gone_through = _wait_back(place, child)
            what = f"recovery by another process after one was {name}"
            report.add(what, seconds, "s", at_most(30), f"{gone_through} records gone through")
            report.add(f"RSS after that ({name})", rss_mb(child.pid), "MB")
    report.add("state in the ledger, newest of each key", _newest_mb(place), "MB", at_most(300))
    report.add("watch's topic on disk, whatever was compacted by then", _disk_mb(context, place), "MB", at_most(300))
    return report


def _week(count: int) -> Iterator[Made]:
    """Up to now."""
    begin_ms = time.time_ns() // 1_000_000 - DAYS * DAY_MS
    return records(count, step_ms=MINUTE_MS, coins=ASSETS, begin_ms=begin_ms)


def _wait_back(place: Place, child: Child) -> tuple[float, int]:
    """Seconds from the start of the process until it judges all shares, and the records that it went through."""
    shares = place.settings.kafka.partitions
    wait_until(lambda: child.metric("watch_shares") == shares, seconds=120, what="all shares are back", alive=child)
    seconds = time.monotonic() - child.started
    lines = [re.search(r"(\d+) records gone through", each) for each in child.lines]
    return seconds, sum(int(each[1]) for each in lines if each)


def _newest_mb(place: Place) -> float:
    kafka, size = place.settings.kafka, 0
    for number in range(kafka.partitions):
        ledger = Ledger(kafka, number, lambda name: kafka_client.producer(kafka, transactional_id=name))
        size += sum(len(key) + len(value) for key, value in ledger.open().items())
        ledger.discard()
    return size / 1e6


def _disk_mb(context: Context, place: Place) -> float:
    folders = context.engines.stack.kafka.data.glob(f"{place.settings.kafka.watch_topic}-*")
    return sum(file.stat().st_blocks * 512 for folder in folders for file in folder.iterdir()) / 1e6
