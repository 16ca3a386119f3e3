"""Poison to the dead-letter topic: the original bytes untouched, and in headers why and from where.

Counts as done only when the broker has acknowledged each; an offset is committed after that. So nothing may keep a
letter from being written for ever: one that the client or the topic refuses for what it is goes without its content.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.discard import discard
from cryptoproxy.common.clients.unpacking import UnreadRecord
from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.record import letter as letter_of
from cryptoproxy.common.record import size_of
from cryptoproxy.common.record.letters import UNKNOWN_SIZE, Content
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import DeadLetter

PART = "dead letters"
_ACK_SECONDS = 30.0

_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
# What a client raises for a record that it cannot write, whatever the brokers are doing.
_REFUSED = (TypeError, ValueError, *_TOO_LARGE)


def content_of(letter: DeadLetter, *, now_ms: int, refused: str | None = None) -> Content:
    """Key, value and headers of a dead letter: ours first, then the original's, each of which keeps its name.

    Args:
        refused: why it cannot be written with its content, so that goes without.
    """
    record, error, left_out = letter.record, letter.error, None
    if isinstance(record, UnreadRecord):
        left_out = UNKNOWN_SIZE
    elif refused is not None:
        left_out = size_of(record.key, record.value, record.headers)
        error = f"without its {left_out} bytes, since {refused[:300]}. {error}"
    return letter_of(
        reason=letter.reason,
        error=error,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        now_ms=now_ms,
        key=record.key,
        value=record.value,
        original=record.headers,
        left_out=left_out,
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
        bare: dict[int, str] = {}
        """By id of the letter: why the topic does not take it with its content."""
        alone = False
        """To an idempotent producer a record that is too large is fatal: the same error comes for each that is under
        way. So from then on one at a time."""
        try:
            while waiting and not abandon.is_set():
                part, rest = (waiting[:1], waiting[1:]) if alone else (waiting, [])
                left, error = self._attempt(part, bare)
                waiting = left + rest
                if error is None:
                    continue
                self._health.hold(PART, str(self._meaning(error)))
                if isinstance(error, _TOO_LARGE):
                    if not alone and len(part) > 1:
                        alone = True
                        continue
                    if id(left[0]) not in bare:
                        bare[id(left[0])] = f"the topic takes no more ({kafka_client.words(error)})"
                        continue
                abandon.wait(backoff.next())
        finally:
            self._health.release(PART)
        return not waiting

    def _attempt(
        self, letters: list[DeadLetter], bare: dict[int, str]
    ) -> tuple[list[DeadLetter], kafka_errors.KafkaError | None]:
        """Sends all of them, then waits for each. Returns those that were not acknowledged, and the first error."""
        producer: Any = None
        try:
            producer = self._take_producer()
            futures = [self._send(producer, letter, bare) for letter in letters]
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

    def _send(self, producer: Any, letter: DeadLetter, bare: dict[int, str]) -> Any:
        now_ms, refused = self._now_ms(), bare.get(id(letter))
        topic = self._kafka.dead_letter_topic
        content = content_of(letter, now_ms=now_ms, refused=refused)
        if refused is None:
            try:
                return producer.send(topic, **content._asdict())
            except _REFUSED as error:
                refused = bare[id(letter)] = f"it cannot be written ({error})"
                content = content_of(letter, now_ms=now_ms, refused=refused)
        return producer.send(topic, **content._asdict())

    def _meaning(self, error: kafka_errors.KafkaError) -> Exception:
        topic = self._kafka.dead_letter_topic
        if isinstance(error, _TOO_LARGE):
            return OperatorError(
                f"topic {topic} refuses a dead letter for its size", remedy=f"Raise max.message.bytes of {topic}"
            )
        if isinstance(error, kafka_errors.InvalidRecordError):
            return OperatorError(
                f"topic {topic} refuses a dead letter for what it is: {kafka_client.words(error)}",
                remedy=f"Set cleanup.policy of {topic} to delete: a compacted topic takes no record without a key",
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
        threading.Thread(target=discard, args=(producer,), name="dlq-close", daemon=True).start()
