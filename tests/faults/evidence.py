"""What is really there: on the topic, in the lake, in an outbox. Read with plain json, as any stranger could."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.datasets import GAP, TICKER, Dataset, Gap, from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from tests.faults.reading import TICKERS, milliseconds


@dataclass(frozen=True, slots=True)
class Found:
    """One message of the topic."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def on_topic(settings: Settings, topic: str | None = None) -> list[Found]:
    """All messages that were there when the call began, partition by partition in order."""
    topic = topic or settings.kafka.topic
    consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
    try:
        partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[Found] = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                found += [Found(record.key, record.value, tuple(record.headers)) for record in records]
        return found
    finally:
        consumer.close()


class Topic:
    """The records of a topic, read on from where the last look ended.

    Args:
        decode: of a message's value.
    """

    def __init__(self, settings: Settings, name: str, decode: Callable[[bytes], Any]) -> None:
        self._consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
        self._partitions = [TopicPartition(name, each) for each in sorted(self._consumer.partitions_for_topic(name))]
        self._decode = decode
        self._records: list[Any] = []
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)

    def read(self) -> list[Any]:
        """All that were there when the call began."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(each) < ends[each] for each in self._partitions):
            for found in self._consumer.poll(timeout_ms=500, max_records=10_000).values():
                self._records += [self._decode(each.value) for each in found]
        return self._records

    def close(self) -> None:
        self._consumer.close()


class Remembering(Store):
    """Reads each object once: their names are those of their content, and a world is judged many times."""

    def __init__(self, settings: S3) -> None:
        super().__init__(settings)
        self._known: dict[str, bytes] = {}

    def get(self, key: str) -> bytes:
        if key not in self._known:
            self._known[key] = super().get(key)
        return self._known[key]


def gaps_told(settings: Settings) -> list[Gap]:
    """What the topic of gaps says."""
    return [GAP.codec.decode(each.value) for each in on_topic(settings, settings.kafka.topic_of(GAP))]


def identity_of_bar(line: bytes) -> str:
    """The id of a candle, from its line alone."""
    record = json.loads(line)
    begin_ms = milliseconds(record["timestamp"])
    return f"{record['source']}:{record['asset_id']}:{record['quote']}:{record['interval']}-{begin_ms}"


def in_lake(settings: Settings, store: Store | None = None, dataset: Dataset[Any] = TICKER) -> dict[str, list[bytes]]:
    """The lines of each raw object, by its key."""
    store = store or Store(settings.s3)
    there = f"{settings.s3.prefix}/v1/{dataset.name}/raw/"
    return {key: list(lines_of(key, store.get(key))) for key in store.keys(there)}


def by_readers_rule(
    settings: Settings, slots: Iterable[int], store: Store | None = None, dataset: Dataset[Any] = TICKER
) -> dict[str, bytes]:
    """Each id once, as the lake's own reader gives it, from the hours of ``slots``."""
    slots = list(slots)
    if not slots:
        return {}
    store = store or Store(settings.s3)
    lake = whole_lake(store, dataset)
    return {
        each.id: each.line
        for source in lake.sources()
        for each in lake.records(source, Span(min(slots), max(slots) + 1), refuse)
    }


def waiting(outbox: Path) -> dict[str, list[str]]:
    """By folder of an outbox, the names of the polls that wait there."""
    return {name: sorted(path.name for path in (outbox / name).glob("*")) for name in ("writing", "kafka", "s3")}


def kept_slots(outbox: Path) -> set[tuple[str, int]]:
    """(feed, slot) of each poll that lies in an outbox, whole, and of the last one that was kept there."""
    kept: set[tuple[str, int]] = set()
    for path in [*(outbox / "kafka").glob("*.jsonl"), *(outbox / "s3").glob("*.jsonl")]:
        feed, slot, _, _, _ = path.name.split("-", 1)[1].rsplit("-", 4)
        if ".candle" not in feed:
            kept.add((feed.removesuffix(".ticker"), int(slot)))
    for path in (outbox / "slots").glob("*"):
        if text := path.read_text().strip():
            kept.add((path.name, int(text)))
    return kept


def slots_of(
    values: Iterable[bytes], name: Callable[[dict[str, Any]], str] | None = None
) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """Records by (source, slot), then by id."""
    name = name or identity
    slots: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
    for value in values:
        record = json.loads(value)
        slots[record["source"], from_iso(record["timestamp"])][name(record)] = record
    return slots


identity = TICKERS.identity
"""The document id of a ticker."""
