"""What the consumer's tests share: consumed records, batches, waits without waiting, scripted answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from prometheus_client import CollectorRegistry

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import DatasetMetrics, IndexerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.batch import Batch, DeadLetter, place_of, read
from cryptoproxy.consumer.index.bulk import BulkSender, Item
from cryptoproxy.consumer.index.corrections import Corrections
from cryptoproxy.consumer.index.delivery import Delivered, Delivery
from cryptoproxy.consumer.index.indices import Indices
from cryptoproxy.datasets import TICKER, Ticker, encode, iso

TOPIC = "crypto-data"
PLACE = place_of(Settings.from_texts({}).elasticsearch, TICKER)
NOW_MS = 1_793_000_040_000
SLOT_MS = NOW_MS - NOW_MS % 60_000
CREATED = Item(201)
POISON = Item(400, "document_parsing_exception", "[1:2] failed to parse field [price] of type [double]")
KNOWN = Item(409, "version_conflict_engine_exception", "version conflict")
REJECTED = Item(429, "es_rejected_execution_exception", "rejected execution")
CLOSED = Item(400, "index_closed_exception", "closed")


def partition(number: int = 0) -> TopicPartition:
    return TopicPartition(TOPIC, number)


def value(number: int = 0, **fields: Any) -> bytes:
    return encode(
        Ticker(
            **{
                "source": "coingecko",
                "asset_id": f"coin-{number}",
                "symbol": "C",
                "name": "Coin",
                "quote": "USD",
                "price": 1.5,
                "timestamp": iso(SLOT_MS),
                "fetched_at": iso(SLOT_MS + 310),
                "fetch_delay_ms": 310,
            }
            | fields
        )
    )


def consumed(
    offset: int,
    content: bytes | None,
    *,
    number: int = 0,
    key: bytes | None = b"key",
    headers: Sequence[tuple[str, bytes]] = (),
) -> ConsumerRecord:
    return ConsumerRecord(TOPIC, number, 0, offset, NOW_MS, 0, key, content, list(headers), None, 3, 3, -1)


def good(offset: int, *, number: int = 0) -> ConsumerRecord:
    return consumed(offset, value(offset), number=number)


def bad(offset: int, *, number: int = 0) -> ConsumerRecord:
    return consumed(offset, b"not json", number=number)


def batch_of(*records: ConsumerRecord) -> Batch:
    """As one poll gives them."""
    by_partition: dict[TopicPartition, list[ConsumerRecord]] = {}
    for record in records:
        by_partition.setdefault(partition(record.partition), []).append(record)
    return read(by_partition, PLACE, now_ms=NOW_MS)


def metrics() -> DatasetMetrics:
    return IndexerMetrics(CollectorRegistry()).of("ticker")


def at_once() -> Backoff:
    """Waits too short to notice."""
    return Backoff(first=0.002, cap=0.01)


class ScriptedSender(BulkSender):
    """Plays the server: each call takes the next reply, made from the lines of the request or raised."""

    def __init__(self, *replies: Callable[[Sequence[bytes]], Sequence[Item]] | Exception) -> None:
        super().__init__(None, lambda: Elasticsearch("http://nowhere:1"))  # type: ignore[arg-type]
        self.replies = list(replies)
        self.requests: list[list[bytes]] = []
        self.called = threading.Condition()

    def send(self, lines: Sequence[bytes]) -> list[Item]:
        with self.called:
            self.requests.append(list(lines))
            self.called.notify_all()
            reply = self.replies.pop(0) if self.replies else every(CREATED)
        if isinstance(reply, Exception):
            raise reply
        return list(reply(lines))


def every(answer: Item) -> Callable[[Sequence[bytes]], Sequence[Item]]:
    return lambda lines: [answer] * len(lines)


def answers(*each: Item) -> Callable[[Sequence[bytes]], Sequence[Item]]:
    return lambda lines: each


class EasyIndices(Indices):
    """Every index is right, or what ``trouble`` says, once each."""

    def __init__(self, *trouble: Exception | None) -> None:
        super().__init__(Settings.from_texts({}).elasticsearch, TICKER, clock=SystemClock())
        self.refused: dict[str, str] = {}
        self.trouble = list(trouble)
        self.asked: list[tuple[set[str], bool]] = []
        self.forgotten: list[str] = []

    def ensure(self, client: Any, names: set[str], *, fresh: bool = False) -> Mapping[str, str]:
        self.asked.append((names, fresh))
        self._next()
        return {name: why for name, why in self.refused.items() if name in names}

    def verify(self, client: Any) -> None:
        self._next()

    def forget(self, name: str) -> None:
        self.forgotten.append(name)

    def _next(self) -> None:
        if self.trouble and (trouble := self.trouble.pop(0)) is not None:
            raise trouble


def delivery_of(
    sender: BulkSender,
    *,
    indices: Indices | None = None,
    health: Health | None = None,
    max_bytes: int = 1_000_000,
    measures: DatasetMetrics | None = None,
    now_ms: Callable[[], int] = lambda: NOW_MS,
    corrections: Corrections | None = None,
) -> Delivery:
    return Delivery(
        sender,
        indices or EasyIndices(),
        health or Health(),
        measures or metrics(),
        max_bytes=max_bytes,
        now_ms=now_ms,
        backoff=at_once,
        corrections=corrections,
    )


class Deliveries:
    """Each batch ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Batch] = []
        self._gates: dict[int, threading.Event] = {}
        self.open = threading.Event()
        self.poison: dict[int, list[DeadLetter]] = {}
        self.verified = threading.Event()

    def deliver(self, batch: Batch, abandon: threading.Event) -> Delivered:
        self.begun.append(batch)
        gate = self._gates.setdefault(batch.order[0].offset, threading.Event())
        while not gate.is_set() and not self.open.is_set():
            if abandon.wait(0.005):
                return Delivered(abandoned=True)
        dead = self.poison.get(batch.order[0].offset, [])
        return Delivered(indexed=len(batch.lines) - len(dead), dead=dead)

    def end(self, first_offset: int) -> None:
        self._gates.setdefault(first_offset, threading.Event()).set()

    def verify(self, abandon: threading.Event) -> None:
        self.verified.set()


class Letters:
    """The dead-letter queue; acknowledges when the test says so."""

    def __init__(self) -> None:
        self.taken: list[DeadLetter] = []
        self.acknowledge = threading.Event()
        self.closed = False

    def send(self, letters: Sequence[DeadLetter], abandon: threading.Event) -> bool:
        self.taken += letters
        while not self.acknowledge.is_set():
            if abandon.wait(0.005):
                return False
        return True

    def close(self) -> None:
        self.closed = True


class Words:
    """What persons have accepted, or why that cannot be read."""

    def __init__(self) -> None:
        self.accepted: Mapping[int, int] | Exception = {}
        self.looks = 0
        self.topics: list[str] = []
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()

    def read(self, topic_id: str) -> Mapping[int, int]:
        self.looks += 1
        self.topics.append(topic_id)
        if isinstance(self.accepted, Exception):
            raise self.accepted
        return self.accepted
