"""Records that the topic can never take, to the dead-letter topic, so that they hold up nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import DATASETS, MAX_RECORD_BYTES, Dataset, Feed, key, letter
from cryptoproxy.errors import OperatorError, PoisonError
from cryptoproxy.producer.outbox.entry import Entry

log = logging.getLogger(__name__)

_FOREVER_MS = 2**62


class Address(NamedTuple):
    """Where the records of an entry go: looked up once for all of them."""

    topic: str
    headers: list[tuple[str, bytes]]
    dataset: Dataset[Any]

    @classmethod
    def of(cls, feed: Feed, kafka: Kafka) -> Address:
        dataset = DATASETS[feed.dataset]
        return cls(kafka.topic_of(dataset, feed.part), dataset.headers, dataset)


class DeadLetters:
    """The same letters as the indexer's: of a record as it would be on the topic, but for its place there."""

    def __init__(self, kafka: Kafka, metrics: PollerMetrics, *, now_ms: Callable[[], int]) -> None:
        self._kafka = kafka
        self._metrics = metrics
        self._now_ms = now_ms
        self._limited = Limited(log)

    def send(self, producer: Any, to: Address, line: bytes, reason: str, error: str) -> Any:
        """The future of one dead letter.

        Raises:
            OperatorError: the topic is missing, or cannot be written to.
        """
        topic = self._kafka.dead_letter_topic
        self._limited.warning(reason, f"a record is a dead letter in {topic} now ({reason}): {error}")
        try:
            try:
                sent = self._send(producer, to, line, reason, error)
            except (TypeError, ValueError, kafka_errors.MessageSizeTooLargeError) as refused:
                sent = self._send(producer, to, line, reason, f"{refused}. {error}", bare=True)
        except kafka_errors.KafkaTimeoutError as timeout:
            raise OperatorError(
                f"topic {topic} does not take dead letters: {timeout}",
                remedy="Run `cryptoproxy setup`, if it is missing",
            ) from timeout
        self._metrics.dead_letters.labels(reason).inc()
        return sent

    def _send(self, producer: Any, to: Address, line: bytes, reason: str, error: str, *, bare: bool = False) -> Any:
        """``bare``: without its content, as it cannot be written with it."""
        made = letter(
            reason=reason,
            error=f"without its {len(line)} bytes, since {error}" if bare else error,
            topic=to.topic,
            now_ms=self._now_ms(),
            key=_key(to.dataset, line),
            value=line,
            original=to.headers,
            left_out=len(line) if bare else None,
        )
        return producer.send(self._kafka.dead_letter_topic, **made._asdict())

    def send_too_large(self, sender: Sender, to: Address, entry: Entry, lines: list[bytes]) -> None:
        """Returns when they are acknowledged.

        Raises:
            OperatorError: a whole poll is too large, which is a mistake in the topic's limit.
            kafka.errors.KafkaError: they are not acknowledged.
        """
        topic = to.topic
        remedy = f"Raise max.message.bytes of {topic} above {MAX_RECORD_BYTES + 1024} (a record has at most 64 KiB)"
        if len(lines) > 1 and len(lines) == entry.records:
            raise OperatorError(f"topic {topic} refuses all {len(lines)} records of a poll as too large", remedy=remedy)
        log.error(
            "%d of %d records of %s are too large for %s. %s", len(lines), entry.records, entry.feed.name, topic, remedy
        )
        for line in lines:
            error = f"{len(line)} bytes are too large for {topic}. {remedy}"
            (failure,) = sender.send_all([partial(self.send, to=to, line=line, reason="too_large", error=error)])
            if isinstance(failure, kafka_errors.MessageSizeTooLargeError):
                error = f"{kafka_client.words(failure)}. {error}"
                bare = partial(self._send, to=to, line=line, reason="too_large", error=error, bare=True)
                (failure,) = sender.send_all([bare])
            if failure is not None:
                raise failure


def _key(dataset: Dataset[Any], line: bytes) -> bytes | None:
    """None where the line cannot be read."""
    try:
        return key(dataset.codec.decode(line, now_ms=_FOREVER_MS)).encode()
    except PoisonError:
        return None
