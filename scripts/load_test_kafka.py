"""Sends contract records at a steady rate and says what came of it.

    python scripts/load_test_kafka.py --rate 10000 --duration 300
    python scripts/load_test_kafka.py --rate 2000 --duration 60 --follow

The settings are those of the environment (or of the engines that `cryptoproxy up` has started). The records go to a
topic of its own, `load-test-<topic>`, and with `--follow` through an indexer of its own into `load-test-<alias>`; both
are removed at the end (`--keep` leaves them). With `--shared` they go to the shared topic beside the real ones, as
source `load-test`, and the indexer that runs there is followed: such records stay in topic, index and lake.

Exits 1 if the rate was not reached: what is beyond the power of this machine is said, not hidden.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elasticsearch import ConnectionError as NoConnection
from elasticsearch import Elasticsearch, NotFoundError
from kafka import TopicPartition
from kafka import errors as kafka_errors
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.loading import read_environment
from cryptoproxy.common.start import connection_file
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import RECORD_HEADERS, Period, Ticker, document_id, encode, index_name, iso, key
from cryptoproxy.errors import CryptoProxyError, OperatorError

TICK_SECONDS = 0.02
"""Records of so much time are sent at once."""
ENOUGH = 0.98
"""Of the wanted rate; less is not reached."""
CATCH_UP_SECONDS = 60.0

console = Console()


def record(number: int, slot_ms: int) -> Ticker:
    """The ``number``-th asset of a slot; about 430 bytes."""
    price = 100.0 + number % 977 + slot_ms % 1000 / 1000
    return Ticker(
        source="load-test",
        asset_id=f"asset-{number}",
        symbol=f"A{number}",
        name=f"Asset {number}",
        quote="USD",
        price=price,
        timestamp=iso(slot_ms),
        fetched_at=iso(slot_ms),
        fetch_delay_ms=0,
        market_cap=price * 1_000_000,
        market_cap_rank=number + 1,
        volume_24h=price * 12_345.5,
        high_24h=price * 1.02,
        low_24h=price * 0.98,
        change_24h=price % 7 - 3.5,
    )


class Load:
    """Sends at the wanted rate, a second of slots at a time, and notes each acknowledgement."""

    def __init__(self, settings: Settings, rate: int) -> None:
        self._topic = settings.kafka.topic
        self._rate = rate
        self._producer = kafka_client.producer(settings.kafka, client_id="cryptoproxy-load-test")
        self.milliseconds = array("f")
        self.failed: dict[str, int] = {}
        self.sent = 0
        self.last_acknowledged: tuple[Ticker, float] | None = None

    def run(self, seconds: int, progress: Progress, task: Any) -> float:
        """Sends; the seconds that it took."""
        begin, slot_ms = time.monotonic(), int(time.time()) * 1000 - seconds * 1000
        while self.sent < self._rate * seconds:
            elapsed = time.monotonic() - begin
            due = min(int((elapsed + TICK_SECONDS) * self._rate), self._rate * seconds)
            # At most a second's worth, so that the bar turns while it lags behind.
            for number in range(self.sent, min(due, self.sent + self._rate)):
                self._send(record(number % self._rate, slot_ms + number // self._rate * 1000))
            progress.update(task, completed=self.sent, rate=f"{self.sent / max(elapsed, 0.001):,.0f}/s")
            time.sleep(max(0.0, self.sent / self._rate - TICK_SECONDS - (time.monotonic() - begin)))
        took = time.monotonic() - begin
        self._producer.flush(timeout=CATCH_UP_SECONDS)
        return took

    def _send(self, made: Ticker) -> None:
        sent = time.monotonic()
        future = self._producer.send(self._topic, key=key(made).encode(), value=encode(made), headers=RECORD_HEADERS)
        future.add_callback(self._acknowledged, made, sent)
        future.add_errback(self._refused)
        self.sent += 1

    def _acknowledged(self, made: Ticker, sent: float, _: object) -> None:
        now = time.monotonic()
        self.milliseconds.append((now - sent) * 1000)
        self.last_acknowledged = made, now

    def _refused(self, error: Exception) -> None:
        self.failed[type(error).__name__] = self.failed.get(type(error).__name__, 0) + 1

    def close(self) -> None:
        self._producer.close(timeout=10)


class Follower(threading.Thread):
    """Looks how far the indexer is: once a second the lag, and all the time one record until it is in the index."""

    def __init__(self, settings: Settings, load: Load) -> None:
        super().__init__(name="follower", daemon=True)
        self._settings = settings
        self._load = load
        self._stop_asked = threading.Event()
        self.lags: list[int] = []
        self.milliseconds: list[float] = []

    def run(self) -> None:
        client = elastic.client(self._settings.elasticsearch)
        consumer = kafka_client.consumer(self._settings.kafka, group_id=self._settings.kafka.group_id)
        partitions = [
            TopicPartition(self._settings.kafka.topic, each)
            for each in consumer.partitions_for_topic(self._settings.kafka.topic) or ()
        ]
        looked = 0.0
        try:
            while not self._stop_asked.is_set():
                if time.monotonic() - looked >= 1:
                    looked = time.monotonic()
                    self.lags.append(lag(consumer, partitions))
                probe = self._load.last_acknowledged
                if probe is None or not self._wait_for(client, *probe):
                    self._stop_asked.wait(0.05)
        finally:
            consumer.close()
            client.close()

    def _wait_for(self, client: Elasticsearch, made: Ticker, acknowledged: float) -> bool:
        """Until the document is there (by its id, so before a refresh makes it searchable)."""
        settings = self._settings.elasticsearch
        index = index_name(settings.alias, made.timestamp, Period(settings.period))
        while not self._stop_asked.is_set():
            with contextlib.suppress(NotFoundError, NoConnection):
                client.get(index=index, id=document_id(made), source=False)
                self.milliseconds.append((time.monotonic() - acknowledged) * 1000)
                self._load.last_acknowledged = None
                return True
            if time.monotonic() - acknowledged > CATCH_UP_SECONDS:
                return False
            self._stop_asked.wait(0.005)
        return False

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(30)


def lag(consumer: Any, partitions: list[Any]) -> int:
    """Records acknowledged by Kafka that the group has not committed."""
    ends = consumer.end_offsets(partitions)
    return sum(max(0, ends[each] - (consumer.committed(each) or 0)) for each in partitions)


@contextlib.contextmanager
def own_corner(texts: dict[str, str], *, follow: bool, keep: bool) -> Iterator[Settings]:
    """A topic, and an alias with an indexer, that nobody else uses."""
    there = Settings.from_texts(texts)
    own = texts | {
        "KAFKA_TOPIC": f"load-test-{there.kafka.topic}",
        "KAFKA_CONSUMER_GROUP_ID": f"load-test-{there.kafka.group_id}",
        "ES_INDEX": f"load-test-{there.elasticsearch.alias}",
        "PYTHON_CONSUMER_SERVER_PORT": "0",
    }
    settings = Settings.from_texts(own)
    admin = kafka_client.admin(settings.kafka)
    client = elastic.client(settings.elasticsearch)
    indexer: subprocess.Popen[bytes] | None = None
    try:
        list(topics.set_up(admin, settings.kafka))
        if follow:
            list(template.set_up(client, settings.elasticsearch, now=iso(int(time.time() * 1000))))
            command = [sys.executable, "-m", "cryptoproxy.consumer"]
            indexer = subprocess.Popen(
                command, env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait_until_it_reads(admin, settings, indexer)
        yield settings
    finally:
        if indexer is not None:
            indexer.terminate()
            indexer.wait(20)
        if not keep:
            remove(settings, admin, client, index=follow)
        client.close()
        admin.close()


def wait_until_it_reads(admin: Any, settings: Settings, indexer: subprocess.Popen[bytes]) -> None:
    """Its start is no part of what is measured."""
    group, deadline = settings.kafka.group_id, time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(kafka_errors.RetriableError):  # a new broker has no coordinator of groups yet
            if admin.describe_groups([group])[group]["group_state"] == "Stable":
                return
        if indexer.poll() is not None:
            break
        time.sleep(0.2)
    raise OperatorError("the indexer does not read", remedy="Run `cryptoproxy consume`, which says why")


def remove(settings: Settings, admin: Any, client: Elasticsearch, *, index: bool) -> None:
    alias = settings.elasticsearch.alias
    if index:
        for name in client.indices.get(index=f"{alias}-*"):
            client.indices.delete(index=name)
        client.indices.delete_index_template(name=alias)
    admin.delete_topics(list(topics.wanted(settings.kafka)))


def percentiles(values: Any) -> str:
    ordered = sorted(values)
    at = {percent: ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] for percent in (50, 95, 99)}
    return ", ".join(f"p{percent} {value:,.0f}" for percent, value in at.items()) + f", most {ordered[-1]:,.0f} ms"


def report(load: Load, took: float, rate: int, seconds: int) -> bool:
    """Says what was reached; whether it was what was asked for."""
    reached = len(load.milliseconds) / took
    console.print(f"sent {load.sent:,} records in {took:.1f} s: {reached:,.0f} acknowledged/s of {rate:,} wanted")
    if load.milliseconds:
        console.print(f"acknowledged after {percentiles(load.milliseconds)}")
    for name, count in load.failed.items():
        console.print(f"[red]{count:,} were not acknowledged: {name}[/red]")
    if reached < rate * ENOUGH:
        console.print(
            f"[red]the rate is beyond this machine (sender and brokers together): {reached:,.0f} records/s is what it "
            f"gives; it was {took - seconds:.0f} s late at the end[/red]"
        )
    return reached >= rate * ENOUGH and not load.failed


def report_following(follower: Follower, left: int) -> bool:
    if follower.milliseconds:
        console.print(f"acknowledged → in the index: {percentiles(follower.milliseconds)} (of some records)")
    console.print(f"lag: {max(follower.lags, default=0):,} at the most, {left:,} at the end")
    if left:
        console.print(f"[red]the indexer has not caught up within {CATCH_UP_SECONDS:.0f} s[/red]")
    return not left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000, help="records per second (1000)")
    parser.add_argument("--duration", type=int, default=60, help="seconds (60)")
    parser.add_argument("--follow", action="store_true", help="follow the records into the index")
    parser.add_argument("--shared", action="store_true", help="into the shared topic, where they stay")
    parser.add_argument("--keep", action="store_true", help="leave topic and index of its own in place")
    parser.add_argument("--env-file", type=Path, default=Path(".env"))
    arguments = parser.parse_args()
    if arguments.rate < 1 or arguments.duration < 1:
        parser.error("--rate and --duration are whole numbers from 1")
    texts = read_environment(arguments.env_file, connection_file(arguments.env_file))
    corner = (
        contextlib.nullcontext(Settings.from_texts(texts))
        if arguments.shared
        else own_corner(texts, follow=arguments.follow, keep=arguments.keep)
    )
    try:
        with corner as settings:
            return run(settings, arguments)
    except CryptoProxyError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except kafka_errors.KafkaError as error:
        console.print(f"[red]{kafka_client.meaning(error, Settings.from_texts(texts).kafka)}[/red]")
        return 1


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    load = Load(settings, arguments.rate)
    follower = Follower(settings, load) if arguments.follow else None
    columns = (
        "[progress.description]{task.description}",
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"to {settings.kafka.topic}", total=arguments.rate * arguments.duration, rate="")
        if follower is not None:
            follower.start()
        took = load.run(arguments.duration, progress, task)
    good = report(load, took, arguments.rate, arguments.duration)
    if follower is not None:
        left = wait_until_caught_up(follower)
        follower.stop()
        good = report_following(follower, left) and good
    load.close()
    return 0 if good else 1


def wait_until_caught_up(follower: Follower) -> int:
    """The lag at the end."""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    looks = len(follower.lags)
    while time.monotonic() < deadline and (len(follower.lags) <= looks or follower.lags[-1]):
        time.sleep(0.2)
    return follower.lags[-1] if follower.lags else 0


if __name__ == "__main__":
    sys.exit(main())
