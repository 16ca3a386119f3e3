"""What goes to a topic beside the road: past the outbox, and nothing waits for it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from kafka import errors as kafka_errors
from prometheus_client import Counter

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Kafka

ACK_SECONDS = 5.0
"""Short: a stop waits for it."""


class Aside(ABC):
    """Give :meth:`run` a thread. What the topic lacks is counted, and said once in a while.

    Args:
        counted: by ``outcome``: sent, failed, dropped.
        lacks: what it is that the topic lacks then.
        turn_seconds: from one sending to the next.
        connect: makes a producer; else it is made with ``options``.
    """

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        *,
        counted: Counter,
        lacks: str,
        turn_seconds: float,
        clock: Clock,
        connect: Callable[[], Any] | None,
        options: dict[str, Any],
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._counted = counted
        self._lacks = lacks
        self._turn_seconds = turn_seconds
        self._sender = Sender(
            connect or partial(kafka_client.producer, kafka, delivery_timeout_ms=35_000, **options),
            ack_seconds=ACK_SECONDS,
            end_seconds=None,
        )
        self._often = Limited(logging.getLogger(type(self).__module__), seconds=300, clock=clock.monotonic)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        backoff = Backoff(first=1.0, cap=30.0)
        while loop.running:
            if self.send():
                backoff.reset()
                loop.wait(self._turn_seconds)
            else:
                loop.wait(backoff.next())
        self._sender.discard()

    @abstractmethod
    def send(self) -> bool:
        """What is due, now; False if the topic did not take all of it."""

    def _send_all(self, sends: Sequence[Callable[[Any], Any]]) -> list[kafka_errors.KafkaError | None]:
        """Each one's failure, counted."""
        failures = self._sender.send_all(sends)
        lost = [each for each in failures if each is not None]
        self._counted.labels("sent").inc(len(failures) - len(lost))
        if lost:
            self._lost("failed", len(lost), str(kafka_client.meaning(lost[0], self._kafka)))
        return failures

    def _lost(self, outcome: str, count: int, why: str) -> None:
        self._counted.labels(outcome).inc(count)
        self._often.warning(outcome, f"{self._topic} lacks {self._lacks} (records do not): {why}")
