"""Poison to the dead-letter topic: the original bytes untouched, and in headers why and from where.

Counts as done only when the broker has acknowledged each; an offset is committed after that.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.record import letter_headers
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import DeadLetter

PART = "dead letters"
_ACK_SECONDS = 30.0


def headers_of(letter: DeadLetter, *, now_ms: int) -> list[tuple[str, bytes]]:
    """The headers of a dead letter: ours first, then the original's, each of which keeps its name."""
    record = letter.record
    return letter_headers(
        reason=letter.reason,
        error=letter.error,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        now_ms=now_ms,
        original=record.headers,
    )


class DeadLetterQueue:
    """Sends dead letters; waits for as long as the topic cannot take them.

    One batch sends at a time, but one that was given back may still wait for its answers while the next one sends.
    """

    def __init__(
        self,
        kafka: Kafka,
        health: Health,
        metrics: IndexerMetrics,
        *,
        now_ms: Callable[[], int],
        connect: Callable[[], Any],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._kafka = kafka
        self._health = health
        self._metrics = metrics
        self._now_ms = now_ms
        self._connect = connect
        self._backoff = backoff
        self._lock = threading.Lock()
        self._producer: Any = None
        self._closed = False

    def send(self, letters: Sequence[DeadLetter], abandon: threading.Event) -> bool:
        """True when all are acknowledged; False when ``abandon`` was set before."""
        backoff = self._backoff()
        waiting = list(letters)
        try:
            while waiting and not abandon.is_set():
                waiting, error = self._attempt(waiting)
                if error is not None:
                    self._health.hold(PART, str(self._meaning(error)))
                    abandon.wait(backoff.next())
        finally:
            self._health.release(PART)
        return not waiting

    def _attempt(self, letters: list[DeadLetter]) -> tuple[list[DeadLetter], kafka_errors.KafkaError | None]:
        """Sends all of them, then waits for each. Returns those that were not acknowledged, and the first error."""
        producer: Any = None
        try:
            producer = self._take_producer()
            now_ms = self._now_ms()
            futures = [
                producer.send(
                    self._kafka.dead_letter_topic,
                    key=letter.record.key,
                    value=letter.record.value,
                    headers=headers_of(letter, now_ms=now_ms),
                )
                for letter in letters
            ]
        except kafka_errors.KafkaError as error:
            self._throw_away(producer)
            return letters, error
        failed: list[DeadLetter] = []
        done: Counter[str] = Counter()
        first: kafka_errors.KafkaError | None = None
        for letter, future in zip(letters, futures, strict=True):
            try:
                # After the first failure the others get no time of their own: what has arrived has arrived.
                future.get(timeout=_ACK_SECONDS if first is None else 0)
            except kafka_errors.KafkaError as error:
                failed.append(letter)
                first = first or error
            else:
                done[letter.reason] += 1
        for reason, count in done.items():
            self._metrics.dead_letters.labels(reason).inc(count)
        if first is not None:
            self._throw_away(producer)
        return failed, first

    def _meaning(self, error: kafka_errors.KafkaError) -> Exception:
        topic = self._kafka.dead_letter_topic
        if isinstance(error, kafka_errors.MessageSizeTooLargeError):
            return OperatorError(
                f"topic {topic} refuses a dead letter for its size", remedy=f"Raise max.message.bytes of {topic}"
            )
        if isinstance(error, kafka_errors.KafkaTimeoutError):
            # A missing topic looks just like a missing broker to the producer.
            return OperatorError(
                f"topic {topic} takes no dead letters: {error}",
                remedy="Make the topic (cryptoproxy setup), or look at the brokers",
            )
        return kafka_client.meaning(error, self._kafka)

    def close(self) -> None:
        """No more is sent. Does not wait: what was not acknowledged comes again at the next start."""
        with self._lock:
            self._closed = True
            producer = self._producer
        self._throw_away(producer)

    def _take_producer(self) -> Any:
        with self._lock:
            if self._closed:
                raise kafka_errors.KafkaTimeoutError("closed")
            if self._producer is None:
                self._producer = self._connect()
            return self._producer

    def _throw_away(self, producer: Any) -> None:
        """After an expired batch kafka-python's idempotent producer may hang for good: never use it again."""
        if producer is None:
            return
        with self._lock:
            if self._producer is producer:
                self._producer = None
        threading.Thread(target=_close, args=(producer,), name="dlq-close", daemon=True).start()


def _close(producer: Any) -> None:
    # What it could not send any more, nobody counts as sent.
    with suppress(kafka_errors.KafkaError):
        producer.close(timeout=5)
