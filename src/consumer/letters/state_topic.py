"""What is said to the indexers on the compacted state topic: how far poison may go, which history comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common import announcement
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Elasticsearch, Kafka
from cryptoproxy.consumer.index.indices import span_of
from cryptoproxy.datasets import Dataset
from cryptoproxy.errors import CryptoProxyError

SECONDS = 10.0
"""For reading it."""


class StateTopic:
    """The newest value of each key. Thread-safe; keeps its place in the topic between two looks."""

    def __init__(self, kafka: Kafka, connect: Callable[[], Any]) -> None:
        self._kafka = kafka
        self._connect = connect
        self._consumer: Any = None
        self._newest: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, bytes]:
        """
        Raises:
            CryptoProxyError: the topic cannot be read now.
        """
        with self._lock:
            try:
                if self._consumer is None:
                    self._newest.clear()
                    self._consumer = self._connect()
                for record in kafka_client.read_to_end(self._consumer, self._kafka.state_topic, seconds=SECONDS):
                    key = (record.key or b"").decode(errors="replace")
                    if record.value is None:
                        self._newest.pop(key, None)
                    else:
                        self._newest[key] = record.value
            except CryptoProxyError:
                self._close()
                raise
            except kafka_errors.KafkaError as error:
                self._close()
                raise kafka_client.meaning(error, self._kafka) from error
            return dict(self._newest)

    def close(self) -> None:
        """The next look begins anew."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(timeout_ms=1000)


class Announced:
    """Whether an index is in the span of a history run that was announced (``common.announcement``)."""

    def __init__(
        self, topic: StateTopic, settings: Elasticsearch, dataset: Dataset[Any], *, now_ms: Callable[[], int]
    ) -> None:
        self._topic = topic
        self._settings = settings
        self._dataset = dataset
        self._now_ms = now_ms

    def __call__(self, index: str) -> bool:
        """
        Raises:
            TransientError, OperatorError: the state topic cannot be read now.
        """
        said = [announcement.read(key, value) for key, value in self._topic.read().items()]
        return any(self._holds(each, index) for each in said if each is not None and each.counts(self._now_ms()))

    def _holds(self, each: announcement.Announcement, index: str) -> bool:
        part = self._dataset.parts.get(each.part)
        if each.dataset != self._dataset.name or part is None:
            return False
        span = span_of(index, self._settings, self._dataset, part)
        return span is not None and span.begin_ms < each.span.end_ms and each.span.begin_ms < span.end_ms
