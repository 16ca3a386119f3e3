"""Where reading begins, what was missed, and how far behind it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from kafka import errors as kafka_errors

from common.errors import OperatorError
from common.metrics import IndexerMetrics
from common.settings.catalogue import Kafka

log = logging.getLogger(__name__)

_TIMEOUT_MS = 10_000


class Positions:
    """Positions of one consumer. The client never moves one by itself (``auto_offset_reset='none'``): it is done here,
    loudly, and never to the end of a topic that was read before."""

    def __init__(self, consumer: Any, kafka: Kafka, metrics: IndexerMetrics) -> None:
        self._consumer = consumer
        self._kafka = kafka
        self._metrics = metrics
        self._finished: dict[Any, int] = {}

    def require_topics(self) -> None:
        """Raises:
        OperatorError: the topic or its dead-letter topic is missing.
        """
        for topic in (self._kafka.topic, self._kafka.dead_letter_topic):
            if not self._consumer.partitions_for_topic(topic):
                raise OperatorError(
                    f"topic {topic} is missing at {','.join(self._kafka.brokers)}", remedy="Run `cryptoproxy setup`"
                )

    def begin(self, error: kafka_errors.NoOffsetForPartitionError) -> None:
        """A group without a commit begins where KAFKA_OFFSET_RESET says."""
        partitions = sorted(error.args[0])
        if self._kafka.offset_reset == "latest":
            self._consumer.seek_to_end(*partitions)
        else:
            self._consumer.seek_to_beginning(*partitions)
        log.info(
            "nothing committed yet for %s of %s; begins at the %s record",
            ", ".join(f"partition {each.partition}" for each in partitions), self._kafka.topic, self._kafka.offset_reset,
        )  # fmt: skip

    def go_on_from_earliest(self, error: kafka_errors.OffsetOutOfRangeError) -> None:
        """Retention or a new topic took the records at our position: go on from the earliest, and count the gap."""
        wanted: dict[Any, int] = error.args[0]
        earliest = self._consumer.beginning_offsets(list(wanted), timeout_ms=_TIMEOUT_MS)
        for partition, position in wanted.items():
            # A topic made again begins at 0: what it had between our position and its end nobody can tell any
            # more, but for what its former end said.
            former_end = self._consumer.highwater(partition) or position
            gap = earliest[partition] - position if earliest[partition] > position else former_end - position
            self._metrics.gap.inc(max(0, gap))
            log.error(
                "%d records of %s partition %d are gone before they were read (position %d, earliest %d); "
                "`cryptoproxy reconcile` names them, `cryptoproxy replay` brings them back from the lake",
                gap, partition.topic, partition.partition, position, earliest[partition],
            )  # fmt: skip
            self._consumer.seek(partition, earliest[partition])

    def finished(self, offsets: Mapping[Any, int]) -> None:
        """These offsets are finished, committed or about to be."""
        self._finished.update(offsets)

    def lag(self) -> int:
        """Records of the assigned partitions that are not finished, as far as the last answers of the brokers tell."""
        lag = 0
        for partition in self._consumer.assignment():
            end, finished = self._consumer.highwater(partition), self._finished.get(partition)
            if end is not None and finished is not None:
                lag += max(0, end - finished)
        return lag
