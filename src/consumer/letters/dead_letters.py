"""Poison to the dead-letter topic: the original bytes untouched, and in headers why and from where.

Counts as done only when the broker has acknowledged each; an offset is committed after that. So nothing may keep a
letter from being written for ever: one that the client or the topic refuses for what it is goes without its content.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import DeadLetter
from cryptoproxy.datasets import letter as letter_of
from cryptoproxy.datasets import size_of
from cryptoproxy.datasets.letters import UNKNOWN_SIZE, Content
from cryptoproxy.errors import OperatorError

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
        metrics: DatasetMetrics,
        *,
        now_ms: Callable[[], int],
        connect: Callable[[], Any],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._kafka = kafka
        self._health = health
        self._metrics = metrics
        self._now_ms = now_ms
        self._sender = Sender(connect, ack_seconds=_ACK_SECONDS, end_seconds=None)
        self._backoff = backoff

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
        failures = self._sender.send_all([partial(self._send, letter=letter, bare=bare) for letter in letters])
        failed: list[DeadLetter] = []
        for letter, error in zip(letters, failures, strict=True):
            if error is None:
                self._metrics.dead_letters.labels(letter.reason).inc()
            else:
                failed.append(letter)
        return failed, next(filter(None, failures), None)

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
        self._sender.close()
