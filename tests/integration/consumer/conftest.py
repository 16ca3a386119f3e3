"""An indexer on a test's own topic and index, and the account of what came of every record produced."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.wiring import service
from cryptoproxy.datasets import decode, document_id, encode, iso, key, slot_of
from tests.conftest import wait_until
from tests.integration.conftest import World
from tests.integration.consumer.records import record

MINUTE = 60_000


class Running:
    """An indexer that runs in a thread of the test's process."""

    def __init__(self, settings: Settings) -> None:
        self.service: Service = service(settings)
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run, name="indexer under test", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.exit_code = self.service.run()

    def stop(self) -> int:
        """Asks it to end as SIGTERM does; its exit code."""
        self.service.stop()
        self._thread.join(180)
        assert self.exit_code is not None, "the indexer did not end"
        return self.exit_code

    def why_not_ready(self) -> str:
        """Empty when ready."""
        try:
            with urllib.request.urlopen(f"{self.service.url}/readyz") as answer:
                assert json.load(answer)["ready"] is True
                return ""
        except urllib.error.HTTPError as error:
            with error:
                return str(json.load(error)["reasons"])

    def lives(self) -> bool:
        with urllib.request.urlopen(f"{self.service.url}/livez") as answer:
            return bool(answer.status == 200)

    def metric(self, name: str, **labels: str) -> float:
        labels = labels if name == "held_up" else {"dataset": "ticker"} | labels
        return self.service.registry.get_sample_value(f"cryptoproxy_{name}", labels) or 0.0

    def wait_not_ready(self, words: str, *, seconds: float = 180) -> str:
        return wait_until(
            lambda: reasons if words in (reasons := self.why_not_ready()) else "",
            seconds=seconds,
            what=f"/readyz says {words!r}",
        )

    def wait_ready(self, *, seconds: float = 180) -> None:
        wait_until(lambda: not self.why_not_ready(), seconds=seconds, what="ready again")


@dataclass
class Bench:
    """Produces, runs indexers, and looks at what came of it."""

    world: World
    producer: KafkaProducer
    admin: KafkaAdminClient
    es: Elasticsearch
    running: list[Running] = field(default_factory=list)
    good: dict[str, bytes] = field(default_factory=dict)
    """By document id: the bytes produced."""
    bad: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    """By partition and offset: key and value of what must become a dead letter."""
    slot_ms: int = field(default_factory=lambda: slot_of(SystemClock().now_ms(), MINUTE) - 30 * 24 * 60 * MINUTE)

    @property
    def settings(self) -> Settings:
        return self.world.settings

    @property
    def topic(self) -> str:
        return self.settings.kafka.topic

    @property
    def alias(self) -> str:
        return self.settings.elasticsearch.alias

    @property
    def index(self) -> str:
        """The index of the records that :meth:`produce` makes."""
        return f"{self.alias}-{iso(self.slot_ms)[:7].replace('-', '.')}.01"

    def start(self, **texts: str) -> Running:
        indexer = Running(Settings.from_texts(self.world.texts | texts))
        self.running.append(indexer)
        return indexer

    def produce(self, count: int, *, partition: int | None = None, **fields: Any) -> list[Any]:
        """Good records, each slot of 50; returns their metadata once acknowledged."""
        futures = []
        for _ in range(count):
            number = len(self.good)
            made = record(number % 50, slot_ms=self.slot_ms + number // 50 * 1000, **fields)
            value = encode(made)
            self.good[document_id(made)] = value
            futures.append(self.producer.send(self.topic, key=key(made).encode(), value=value, partition=partition))
        return [future.get(180) for future in futures]

    def produce_bad(
        self,
        values: Sequence[bytes | None],
        *,
        record_key: bytes | None = b"bad:key:USD",
        partition: int | None = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> list[Any]:
        futures = [
            self.producer.send(self.topic, key=record_key, value=value, partition=partition, headers=list(headers))
            for value in values
        ]
        sent = [future.get(180) for future in futures]
        for metadata, value in zip(sent, values, strict=True):
            self.bad[metadata.partition, metadata.offset] = (record_key, value)
        return sent

    def renew_producer(self) -> None:
        """Another one, which knows nothing of the topic that was."""
        self.producer.close()
        self.producer = kafka_client.producer(self.settings.kafka)

    def documents(self) -> dict[str, dict[str, Any]]:
        """By id, of all indices of the alias."""
        self.es.indices.refresh(index=self.alias)
        found: dict[str, dict[str, Any]] = {}
        after: list[Any] | None = None
        while True:
            page = self.es.search(
                index=self.alias,
                size=5000,
                sort=[{"timestamp": "asc"}, {"asset_id": "asc"}],
                search_after=after,
                source=True,
            )["hits"]["hits"]
            if not page:
                return found
            for hit in page:
                assert hit["_id"] not in found, f"{hit['_id']} is there twice"
                found[hit["_id"]] = hit["_source"]
            after = page[-1]["sort"]

    def count(self) -> int:
        self.es.indices.refresh(index=self.alias)
        return int(self.es.count(index=self.alias)["count"])

    def dead_letters(self) -> list[Any]:
        return read_all(self.settings, self.settings.kafka.dead_letter_topic)

    def committed(self) -> dict[int, int]:
        group = self.settings.kafka.group_id
        return {
            partition.partition: metadata.offset
            for partition, metadata in self.admin.list_group_offsets({group: None})[group].items()
        }

    def ends(self) -> dict[int, int]:
        consumer = kafka_client.consumer(self.settings.kafka, group_id=None)
        try:
            partitions = [TopicPartition(self.topic, each) for each in consumer.partitions_for_topic(self.topic)]
            return {each.partition: offset for each, offset in consumer.end_offsets(partitions).items() if offset}
        finally:
            consumer.close()

    def wait_committed(self, *, seconds: float = 180) -> None:
        """Until every record produced so far is finished and its offset committed."""
        ends = self.ends()
        wait_until(lambda: self.committed() == ends, seconds=seconds, what=f"offsets {ends} are committed")

    def account(self, *, twice: bool = False) -> None:
        """Documents + dead letters = produced, and each is what was produced.

        Args:
            twice: whether a dead letter may stand on the topic more than once (a rebalance came between).
        """
        documents = self.documents()
        assert documents.keys() == self.good.keys()
        now_ms = SystemClock().now_ms()
        for id_, value in self.good.items():
            assert documents[id_] == json.loads(value)
            assert document_id(decode(value, now_ms=now_ms)) == id_
        letters = self.dead_letters()
        places = [(int(header(letter, "dlq-partition")), int(header(letter, "dlq-offset"))) for letter in letters]
        assert {place: (each.key, each.value) for place, each in zip(places, letters, strict=True)} == self.bad
        assert twice or len(places) == len(set(places))

    def stop_all(self) -> None:
        for indexer in self.running:
            if indexer.exit_code is None:
                assert indexer.stop() == 0


def header(letter: Any, name: str) -> str:
    return str(dict(letter.headers)[name].decode())


def read_all(settings: Settings, topic: str) -> list[Any]:
    """Every record of a topic, in the order of its partitions."""
    consumer = kafka_client.consumer(settings.kafka, group_id=None)
    try:
        partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        ends: Mapping[TopicPartition, int] = consumer.end_offsets(partitions)
        found: dict[TopicPartition, list[Any]] = {each: [] for each in partitions}
        wait_until(
            lambda: _read_more(consumer, found) or all(consumer.position(each) >= ends[each] for each in partitions)
        )
        return [each for partition in partitions for each in found[partition]]
    finally:
        consumer.close()


def _read_more(consumer: Any, found: dict[TopicPartition, list[Any]]) -> bool:
    for partition, records in consumer.poll(timeout_ms=200).items():
        found[partition] += records
    return False


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    kafka = world.settings.kafka
    producer = kafka_client.producer(kafka)
    admin = kafka_client.admin(kafka)
    es = elastic.client(world.settings.elasticsearch)
    made = Bench(world, producer, admin, es)
    try:
        yield made
        made.stop_all()
    finally:
        for indexer in made.running:
            indexer.service.stop()
        es.close()
        admin.close()
        made.producer.close()
