"""The engines of a run; in them, for each round, topic, group and alias of its own; and the indexer as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
from confluent_kafka import Producer
from elasticsearch import Elasticsearch

from benchmarks.cost import Tree, peak_rss_mb
from benchmarks.records import BEGIN_MS, Made
from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.engines.ports import Ports, free_ports
from cryptoproxy.engines.stack import Memory, Stack

ROOT = Path(__file__).parents[1]
PARTITIONS = 4


class BenchmarkError(Exception):
    """A measurement that could not be made, and why."""


@dataclass
class Engines:
    """Kafka, Elasticsearch and S3, up for a whole run of benchmarks."""

    stack: Stack
    folder: Path

    @classmethod
    @contextmanager
    def up(cls, folder: Path, say: Callable[[str], None]) -> Iterator[Engines]:
        """Thrown away at the end, with all data."""
        memory = Memory(kafka_mb=512, elasticsearch_mb=1024, s3_mb=128)
        with Stack(folder / "engines", ports=Ports.free(), memory=memory, die_with_parent=True, say=say) as stack:
            yield cls(stack, folder)

    def elasticsearch_cpu(self) -> float:
        """CPU seconds of Elasticsearch so far."""
        return Tree.of(self.stack.elasticsearch.pid).cpu_seconds()

    def ours(self) -> float:
        """CPU seconds so far of this process and of all that it has started: the engines, programs that still run
        (a door and its nginx go on from round to round), and what has ended."""
        me = psutil.Process()
        total = 0.0
        for each in (me, *me.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def place(self, **texts: str) -> Place:
        """Names of its own for one round."""
        ends = self.stack.endpoints
        name = f"b{uuid.uuid4().hex[:8]}"
        return Place(
            {
                "KAFKA_BROKERS_HOST_PORT": ends.kafka,
                "KAFKA_TOPIC": f"{name}-data",
                "KAFKA_CONSUMER_GROUP_ID": f"{name}-indexer",
                "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS),
                "ES_URL_ENDPOINT": ends.elasticsearch,
                "ES_INDEX": f"{name}-prices",
                "AWS_S3_ENDPOINT_URL": ends.s3,
                "AWS_S3_ACCESS_KEY": ends.s3_access_key,
                "AWS_S3_SECRET_KEY": ends.s3_secret_key,
                "AWS_S3_FILENAME_PREFIX": name,
                "PYTHON_PRODUCER_SERVER_PORT": "0",
                "PYTHON_CONSUMER_SERVER_PORT": "0",
            }
            | texts
        )


@dataclass
class Place:
    """Topic, group and alias by their settings' texts."""

    texts: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings.from_texts(self.texts)

    def with_texts(self, **texts: str) -> Place:
        return Place(self.texts | texts)

    def with_fresh_alias(self) -> Place:
        """The same topic, read anew into another alias."""
        name = f"b{uuid.uuid4().hex[:8]}"
        return self.with_texts(ES_INDEX=f"{name}-prices", KAFKA_CONSUMER_GROUP_ID=f"{name}-indexer")

    def make_topics(self, *datasets: Dataset[Any]) -> None:
        """Of tickers where none are named."""
        admin = kafka_client.admin(self.settings.kafka)
        try:
            list(topics.set_up(admin, self.settings.kafka, datasets or (TICKER,)))
        finally:
            admin.close()

    def make(self, *datasets: Dataset[Any]) -> None:
        """Their topics, and their indices of now."""
        self.make_topics(*datasets)
        with self.elasticsearch() as client:
            for dataset in datasets:
                now = iso(int(time.time() * 1000))
                list(template.set_up(client, self.settings.elasticsearch, dataset, now=now))

    def make_index(self, begin_ms: int = BEGIN_MS) -> None:
        """Template, the index of the benchmark's records, alias."""
        with self.elasticsearch() as client:
            list(template.set_up(client, self.settings.elasticsearch, now=iso(begin_ms)))

    def remove_index(self) -> None:
        alias = self.settings.elasticsearch.alias
        with self.elasticsearch() as client:
            for name in client.indices.get(index=f"{alias}-*"):
                client.indices.delete(index=name)
            client.indices.delete_index_template(name=alias)

    def remove_topic(self) -> None:
        admin = kafka_client.admin(self.settings.kafka)
        try:
            admin.delete_topics([self.settings.kafka.topic])
        finally:
            admin.close()

    @contextmanager
    def elasticsearch(self) -> Iterator[Elasticsearch]:
        client = elastic.client(self.settings.elasticsearch)
        try:
            yield client
        finally:
            client.close()

    def load(self, made: Iterable[Made]) -> int:
        """Puts records on the topic as the poller does (same key, header, compression); how many.

        librdkafka's producer, as it is ten times faster and nothing of it is measured.
        """
        kafka = self.settings.kafka
        failed: list[str] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                failed.append(str(error))

        producer = Producer(
            {
                "bootstrap.servers": ",".join(kafka.brokers),
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "batch.size": 256 * 1024,
                "queue.buffering.max.messages": 2_000_000,
                "partitioner": "murmur2_random",
            }
        )
        count = 0
        for key, value in made:
            while True:
                try:
                    producer.produce(kafka.topic, value, key, headers={"schema-version": b"1"}, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
            if count % 1000 == 0:
                producer.poll(0)
        producer.flush(120)
        if failed:
            raise BenchmarkError(f"{len(failed)} records were not acknowledged: {failed[0]}")
        return count

    def documents(self) -> int:
        """Written so far to this alias's indices; seen at once, not only after a refresh."""
        alias = self.settings.elasticsearch.alias
        answer = requests.get(
            f"{self.settings.elasticsearch.url}/{alias}-*/_stats/indexing"
            "?filter_path=_all.primaries.indexing.index_total",
            timeout=10,
        )
        found = answer.json().get("_all", {}).get("primaries", {}).get("indexing", {}).get("index_total", 0)
        return int(found)

    def found(self) -> int:
        """Documents that a question finds by now; what was written is made findable first."""
        there = f"{self.settings.elasticsearch.url}/{self.settings.elasticsearch.alias}-*"
        requests.post(f"{there}/_refresh", timeout=60).raise_for_status()
        return int(requests.get(f"{there}/_count", timeout=60).json()["count"])


@dataclass
class Child:
    """A program of ours as its own process, with the settings of a place."""

    module: str
    texts: Mapping[str, str]
    arguments: Sequence[str] = ()
    command: Sequence[str] = ()
    """Of a program that others wrote, in its own environment; ``module`` is then its name alone."""
    started: float = field(init=False)
    """By ``time.monotonic``."""
    process: subprocess.Popen[bytes] = field(init=False)
    lines: list[str] = field(init=False, default_factory=list)
    peak_rss_mb: float = 0.0

    def __post_init__(self) -> None:
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            list(self.command) or [sys.executable, "-m", self.module, *self.arguments],
            env=child_environment(self.texts) | ({} if self.command else {"PYTHONPATH": paths}),
            cwd="/",  # no .env of somebody's installation
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {self.module}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())

    def wait_line(self, words: str, *, seconds: float = 60) -> str:
        """The first line of its output with these words."""
        found: str = wait_until(
            lambda: next((line for line in list(self.lines) if words in line), ""),
            seconds=seconds,
            what=f"{words!r} in the output of {self.module}",
            alive=self,
        )
        return found

    @property
    def url(self) -> str:
        """Of its health port."""
        return self.wait_line("health and metrics at").rpartition(" ")[2]

    def metric(self, name: str) -> float:
        """The sum over all labels."""
        text = requests.get(f"{self.url}/metrics", timeout=5).text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"cryptoproxy_{name} ", f"cryptoproxy_{name}{{", f"cryptoproxy_{name}_total"))
        )

    def require_alive(self) -> None:
        if self.process.poll() is not None:
            end = "\n".join(self.lines[-15:])
            raise BenchmarkError(f"{self.module} ended with {self.process.returncode}:\n{end}")

    def stop(self) -> int:
        """Asks it to end, waits for it; its exit code. Memory is noted before."""
        if self.process.poll() is None:
            self.peak_rss_mb = peak_rss_mb(self.pid)
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._reader.join(5)
            with suppress(OSError):
                assert self.process.stdout is not None
                self.process.stdout.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def indexer(place: Place) -> Child:
    """`cryptoproxy consume`."""
    return Child("cryptoproxy.cli.main", place.texts, ("consume",))


def poller(place: Place) -> Child:
    """`cryptoproxy produce`."""
    return Child("cryptoproxy.cli.main", place.texts, ("produce",))


def wait_until(
    condition: Callable[[], Any], *, seconds: float, what: str, alive: Child | None = None, every: float = 0.02
) -> Any:
    """The first true value of ``condition``.

    Raises:
        BenchmarkError: after ``seconds``, or when ``alive`` has ended.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if alive is not None:
            alive.require_alive()
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{what} did not come true within {seconds:g} s")
        time.sleep(every)
    return value


def free_port() -> int:
    return free_ports(1)[0]
