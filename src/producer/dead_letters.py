"""Records that the topic can never take, to the dead-letter topic, so that they hold up nothing."""

from __future__ import annotations

import logging
from typing import Any

from kafka import errors as kafka_errors

from common.errors import OperatorError
from common.log import Limited
from common.metrics import PollerMetrics
from common.record import MAX_RECORD_BYTES
from common.settings.catalogue import Kafka
from producer.outbox.entry import Entry

log = logging.getLogger(__name__)

ACK_SECONDS = 30.0
MAX_ERROR_BYTES = 1024


class DeadLetters:
    """The same headers as the indexer's dead letters have, but for those that tell an offset: there is none."""

    def __init__(self, kafka: Kafka, metrics: PollerMetrics) -> None:
        self._kafka = kafka
        self._metrics = metrics
        self._limited = Limited(log)

    def send(self, producer: Any, line: bytes, reason: str, error: str) -> Any:
        """The future of one dead letter.

        Raises:
            OperatorError: the topic is missing, or cannot be written to.
        """
        topic = self._kafka.dead_letter_topic
        headers = [
            ("dlq-reason", reason.encode()),
            ("dlq-error", error.encode()[:MAX_ERROR_BYTES].decode(errors="ignore").encode()),
            ("dlq-topic", self._kafka.topic.encode()),
        ]
        self._limited.warning(reason, f"a record is a dead letter in {topic} now ({reason}): {error}")
        try:
            sent = producer.send(topic, value=line, headers=headers)
        except kafka_errors.KafkaTimeoutError as timeout:
            raise OperatorError(
                f"topic {topic} does not take dead letters: {timeout}",
                remedy="Run `cryptoproxy setup`, if it is missing",
            ) from timeout
        self._metrics.dead_letters.labels(reason).inc()
        return sent

    def send_too_large(self, producer: Any, entry: Entry, lines: list[bytes]) -> None:
        """Returns when they are acknowledged.

        Raises:
            OperatorError: a whole poll is too large, which is a mistake in the topic's limit.
            kafka.errors.KafkaError: they are not acknowledged.
        """
        topic = self._kafka.topic
        remedy = f"Raise max.message.bytes of {topic} above {MAX_RECORD_BYTES + 1024} (a record has at most 64 KiB)"
        if len(lines) > 1 and len(lines) == entry.records:
            raise OperatorError(f"topic {topic} refuses all {len(lines)} records of a poll as too large", remedy=remedy)
        log.error(
            "%d of %d records of %s are too large for %s. %s", len(lines), entry.records, entry.source, topic, remedy
        )
        futures = [
            self.send(producer, line, "too_large", f"{len(line)} bytes are too large for {topic}. {remedy}")
            for line in lines
        ]
        for future in futures:
            future.get(timeout=ACK_SECONDS)
