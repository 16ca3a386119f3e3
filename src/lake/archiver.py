"""Topic → lake, of what no poller keeps: alerts, derived bars. A consumer of its own puts them into objects as
the poller would.

An offset is committed when all before it is stored. What is stored and not committed, since the process was killed, is
stored once more by who goes on, perhaps in another object: readers have each id once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.kafka import see_a_rejoin_through
from cryptoproxy.common.clients.turns import take_turns
from cryptoproxy.common.service import Health
from cryptoproxy.common.service.process import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import Dataset, from_iso
from cryptoproxy.datasets.times import HOUR_MS
from cryptoproxy.errors import CryptoProxyError, PoisonError
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store

log = logging.getLogger(__name__)

MOST = 20_000
"""Records in memory; then they are stored at once."""


class TopicArchiver:
    """A loop for one dataset of one part. Any number of processes share its topic.

    Args:
        part: of the dataset.
        mark: what is kept has this in its bytes; the poller keeps the rest.
        connect: makes a consumer with the group that it is given.
        seconds: that records wait for others of their hour: what one object holds.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        dataset: Dataset[Any],
        part: str = "",
        mark: bytes = b"",
        store: Store,
        connect: Callable[..., Any],
        seconds: float,
        health: Health,
    ) -> None:
        self._topic = kafka.topic_of(dataset, part)
        self._part = part
        self._mark = mark
        self._kafka = kafka
        self._dataset = dataset
        self._store = store
        self._connect = connect
        self._seconds = seconds
        self._health = health
        self._consumer: Any = None
        self._lines: dict[tuple[str, int], dict[str, tuple[int, bytes]]] = {}
        """By source and begin of the hour, then by id: the slot and the line."""
        self._after: dict[TopicPartition, int] = {}
        self._since = 0.0

    def run(self, loop: Loop) -> None:
        """Until a stop; what is not stored then is read again."""
        take_turns(
            loop,
            self._turn,
            part=f"archive of {self._dataset.called(self._part)}s",
            health=self._health,
            kafka=self._kafka,
            failed=self._close,  # what was read comes again
        )
        with suppress(CryptoProxyError, kafka_errors.KafkaError):
            if self._consumer is not None:
                self._store_all()
        self._close()

    def _turn(self) -> None:
        if self._consumer is None:
            self._consumer = self._connect(group_id=f"{self._topic}.archive")
            self._consumer.subscribe([self._topic])
        see_a_rejoin_through(self._consumer)
        for partition, records in self._consumer.poll(timeout_ms=500).items():
            if not self._after:
                self._since = time.monotonic()
            for each in records:
                self._keep(each.value)
            self._after[partition] = records[-1].offset + 1
        count = sum(map(len, self._lines.values()))
        if self._after and (count >= MOST or time.monotonic() - self._since >= self._seconds):
            self._store_all()

    def _keep(self, value: bytes | None) -> None:
        if self._mark not in (value or b""):
            return
        try:
            record = self._dataset.codec.decode(value)
        except PoisonError:
            return  # a dead letter of the indexer
        slot_ms = from_iso(record.timestamp)
        place = record.source, slot_ms - slot_ms % HOUR_MS
        self._lines.setdefault(place, {}).setdefault(self._dataset.id_of(record), (slot_ms, bytes(value or b"")))

    def _store_all(self) -> None:
        for (source, _), lines in sorted(self._lines.items()):
            ordered = sorted(lines.values(), key=lambda each: each[0])
            made = pack(
                self._store.settings.prefix,
                self._dataset.name,
                source,
                ordered[0][0],
                (line + b"\n" for _, line in ordered),
                part=self._part,
            )
            self._store.put(made.key, made.body)
            log.info("stored %d %ss as %s", made.records, self._dataset.name, made.key)
        offsets = {each: OffsetAndMetadata(offset, "", -1) for each, offset in self._after.items()}
        mine = self._consumer.assignment()
        if kept := {each: offset for each, offset in offsets.items() if each in mine}:
            self._consumer.commit(kept, timeout_ms=10_000)
        self._lines, self._after = {}, {}

    def _close(self) -> None:
        self._lines, self._after = {}, {}
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(kafka_errors.KafkaError):
                consumer.close(autocommit=False, timeout_ms=2_000)
