"""Outbox → Kafka: oldest first; a poll leaves when every record of it is acknowledged by all in-sync replicas.

Nothing counts but a resolved future: `flush()` proves nothing, and once a batch has expired kafka-python's idempotent
producer may never resolve another one. So without progress for a set time the producer is thrown away, and what is not
acknowledged is sent again by a new one: same ids, same bytes, harmless.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kafka import errors as kafka_errors

from common.clients import kafka as kafka_client
from common.errors import OperatorError
from common.log import Limited
from common.metrics import PollerMetrics
from common.record import MAX_RECORD_BYTES, SCHEMA_VERSION, SCHEMA_VERSION_HEADER, decode, key
from common.retry import Backoff
from common.service import Health, Loop
from common.settings.catalogue import Kafka
from producer.outbox.entry import Entry
from producer.outbox.outbox import KAFKA, Outbox

log = logging.getLogger(__name__)

PART = "kafka"
ACK_SECONDS = 30.0
"""Without an acknowledgement for so long, the producer is taken for hung. Below its delivery timeout."""
AT_ONCE = 64
"""Polls sent before the first is waited for, when many wait after an outage."""
_HEADERS = [(SCHEMA_VERSION_HEADER, str(SCHEMA_VERSION).encode())]
_FOREVER_MS = 2**62


class Publisher:
    """The drain to Kafka; one thread.

    Args:
        connect: makes a producer; secrets are read afresh each time.
        published: told of each poll that is acknowledged.
    """

    def __init__(
        self,
        kafka: Kafka,
        outbox: Outbox,
        *,
        connect: Callable[[], Any],
        published: Callable[[Entry], None],
        health: Health,
        metrics: PollerMetrics,
        quiet: Callable[[str], bool],
    ) -> None:
        self._kafka = kafka
        self._outbox = outbox
        self._connect = connect
        self._published = published
        self._health = health
        self._metrics = metrics
        self._quiet = quiet
        self._producer: Any = None
        self._limited = Limited(log)

    def run(self, loop: Loop) -> None:
        """Until the process stops; what is left is sent at the next start."""
        backoff = Backoff()
        while loop.running:
            self._outbox.wait(KAFKA, 0.5)
            entries = self._outbox.oldest(KAFKA, AT_ONCE)
            if not entries and self._producer is not None:
                continue
            try:
                self._drain(entries, loop)
                self._health.release(PART)
                backoff.reset()
            except (kafka_errors.KafkaError, OperatorError) as error:
                self._say(error)
                self._throw_away()
                loop.wait(backoff.next())
        self._throw_away()

    def _drain(self, entries: list[Entry], loop: Loop) -> None:
        """Sends ``entries``, then waits for each in turn.

        Raises:
            kafka.errors.KafkaError: something was not acknowledged; all before it has left the outbox.
        """
        if self._producer is None:
            self._producer = self._connect()
            if not self._producer.partitions_for(self._kafka.topic):
                raise kafka_errors.UnknownTopicOrPartitionError(self._kafka.topic)
        sent: list[tuple[Entry, list[bytes], list[Any]]] = []
        for entry in entries:
            content = self._outbox.read(KAFKA, entry)
            if content is not None:
                lines = content.removesuffix(b"\n").split(b"\n") if content else []
                sent.append((entry, lines, [self._send(line) for line in lines]))
            loop.turn()
        for entry, lines, futures in sent:
            refused = self._refused_for_size(lines, futures, loop)
            if refused:
                self._set_aside(entry, refused)
            self._outbox.done(KAFKA, entry)
            self._published(entry)
            self._metrics.records_published.labels(entry.source).inc(entry.records - len(refused))
            log.log(
                logging.DEBUG if self._quiet(entry.source) else logging.INFO,
                "%d records sent to %s", entry.records - len(refused), self._kafka.topic,
            )  # fmt: skip

    def _send(self, line: bytes, topic: str | None = None, extra: list[tuple[str, bytes]] | None = None) -> Any:
        record = decode(line, now_ms=_FOREVER_MS)
        headers = [*(extra or ()), *_HEADERS]
        return self._producer.send(topic or self._kafka.topic, key=key(record).encode(), value=line, headers=headers)

    def _refused_for_size(self, lines: list[bytes], futures: list[Any], loop: Loop) -> list[bytes]:
        """Waits until every line is acknowledged; returns those that the topic refuses as too large, even alone."""
        in_too_large_batch = [
            line for line, future in zip(lines, futures, strict=True) if not self._acknowledged(future, loop)
        ]
        return [line for line in in_too_large_batch if not self._acknowledged(self._send(line), loop)]

    def _acknowledged(self, future: Any, loop: Loop) -> bool:
        """False if the broker refuses its batch as too large.

        Raises:
            kafka.errors.KafkaError: anything else, or no answer within :data:`ACK_SECONDS`.
        """
        deadline = time.monotonic() + ACK_SECONDS
        while True:
            try:
                future.get(timeout=min(1.0, max(0.01, deadline - time.monotonic())))
            except kafka_errors.MessageSizeTooLargeError:
                return False
            except kafka_errors.KafkaTimeoutError:
                if future.is_done or time.monotonic() > deadline or not loop.running:
                    raise
            else:
                return True

    def _set_aside(self, entry: Entry, refused: list[bytes]) -> None:
        """Single records that are too large become dead letters; a whole poll of them is a mistake in the limit."""
        topic = self._kafka.topic
        remedy = f"Raise max.message.bytes of {topic} above {MAX_RECORD_BYTES + 1024} (a record has at most 64 KiB)"
        if len(refused) > 1 and len(refused) == entry.records:
            raise OperatorError(
                f"topic {topic} refuses all {len(refused)} records of a poll as too large", remedy=remedy
            )
        headers = [("dlq-reason", b"too_large"), ("dlq-error", remedy.encode()), ("dlq-topic", topic.encode())]
        futures = [self._send(line, self._kafka.dead_letter_topic, headers) for line in refused]
        for future in futures:
            future.get(timeout=ACK_SECONDS)
        self._metrics.dead_letters.labels("too_large").inc(len(refused))
        log.error(
            "%d records of %s are too large for %s and are dead letters now. %s",
            len(refused),
            entry.source,
            topic,
            remedy,
        )

    def _say(self, error: kafka_errors.KafkaError | OperatorError) -> None:
        meaning = error if isinstance(error, OperatorError) else kafka_client.meaning(error, self._kafka)
        self._health.hold(PART, f"{meaning} ({self._outbox.count(KAFKA)} polls wait on disk; polling goes on)")

    def _throw_away(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._metrics.producer_replaced.inc()
            threading.Thread(target=_close, args=(producer,), name="producer-close", daemon=True).start()


def _close(producer: Any) -> None:
    # What it could not send any more is still in the outbox.
    with suppress(kafka_errors.KafkaError):
        producer.close(timeout=5)
