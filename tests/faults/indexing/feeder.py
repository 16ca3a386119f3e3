"""A small producer in the poller's place, for cases that are about the indexer alone.

Its list is then the judge's truth: what it fed and Kafka acknowledged must be documents, what it fed as poison must be
dead letters. Like the poller it sends again what was not acknowledged, so a record may stand on the topic twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import discard
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import SCHEMA_VERSION_HEADER, Ticker, document_id, encode, key
from tests.integration.consumer import records

PER_SLOT = 50
SEND_SECONDS = 120.0
HEADERS = ((SCHEMA_VERSION_HEADER, b"1"),)


def record(number: int, *, slot_ms: int, **fields: Any) -> Ticker:
    """A good record with numbers that can be aggregated; ``number`` tells it from the others of its slot."""
    return records.record(number, slot_ms=slot_ms, **{"volume_24h": 1e9 + number, "change_24h": 0.25} | fields)


class Feeder:
    """Feeds slots of two hours ago and later, fifty records each."""

    def __init__(self, settings: Settings) -> None:
        self.fed: dict[str, bytes] = {}
        """By document id: the bytes that Kafka acknowledged."""
        self.poison: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
        """By partition and offset: key and value of what must become a dead letter."""
        self._kafka = settings.kafka
        self._slot_ms = int(time.time()) * 1000 - 2 * 3_600_000
        self._made = 0
        self._lock = threading.Lock()
        """One sends at a time: the case, or its flow."""
        self._producer: Any = None

    def feed(self, count: int, *, partition: int | None = None, slot_ms: int | None = None, **fields: Any) -> list[str]:
        """Good records; returns their ids once Kafka has them."""
        made = []
        with self._lock:
            for _ in range(count):
                begin = self._slot_ms if slot_ms is None else slot_ms
                made.append(record(self._made % PER_SLOT, slot_ms=begin + self._made // PER_SLOT * 1000, **fields))
                self._made += 1
        return self.feed_records(made, partition=partition)

    def feed_records(self, records: Sequence[Ticker], *, partition: int | None = None) -> list[str]:
        values = {document_id(each): encode(each) for each in records}
        with self._lock:
            self._send([(key(each).encode(), values[document_id(each)]) for each in records], partition, HEADERS)
        self.fed |= values
        return list(values)

    def feed_raw(self, name: str, value: bytes) -> None:
        """One record as these bytes, which are the document ``name``."""
        with self._lock:
            self._send([(name.rpartition(":")[0].encode(), value)], 0, HEADERS)
        self.fed[name] = value

    def feed_poison(
        self,
        values: Sequence[bytes | None],
        *,
        record_key: bytes | None = b"bad:key:USD",
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> list[int]:
        """What can never be indexed; returns their offsets."""
        with self._lock:
            sent = self._send([(record_key, value) for value in values], partition, headers)
        offsets = [metadata.offset for metadata in sent]
        self.poison |= {(partition, at): (record_key, value) for at, value in zip(offsets, values, strict=True)}
        return offsets

    @contextmanager
    def flow(self, per_second: int = 500) -> Iterator[None]:
        """Feeds all the while, about so many a second."""
        stop = threading.Event()
        failed: list[BaseException] = []
        portion = max(1, per_second // 20)

        def run() -> None:
            try:
                while not stop.wait(portion / per_second):
                    self.feed(portion)
            except BaseException as error:
                failed.append(error)
                raise

        thread = threading.Thread(target=run, name="feeder", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(SEND_SECONDS + 60)
        assert not thread.is_alive()
        assert not failed

    def forget_producer(self) -> None:
        """The next record goes by a new one, which knows nothing of the topic that was."""
        if self._producer is not None:
            discard(self._producer)
            self._producer = None

    def close(self) -> None:
        self.forget_producer()

    def _send(
        self,
        messages: Sequence[tuple[bytes | None, bytes | None]],
        partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> list[Any]:
        """The metadata of each, once acknowledged; what is not is sent again by a new producer."""
        deadline = time.monotonic() + SEND_SECONDS
        done: dict[int, Any] = {}
        while len(done) < len(messages):
            try:
                if self._producer is None:
                    self._producer = kafka_client.producer(self._kafka, delivery_timeout_ms=15_000)
                futures = {
                    at: self._producer.send(
                        self._kafka.topic, key=name, value=value, partition=partition, headers=list(headers)
                    )
                    for at, (name, value) in enumerate(messages)
                    if at not in done
                }
                for at, future in futures.items():
                    done[at] = future.get(180)
            except kafka_errors.KafkaError:
                self.forget_producer()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        return [done[at] for at in range(len(messages))]
