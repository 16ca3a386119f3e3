"""The newest answer to each call of a poll, as it came, on the compacted topic of answers.

For the door, which needs every column that the upstream gives; it promises nothing. It goes past the outbox, after the
poll's records are kept, and no poll waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from kafka import errors as kafka_errors

from cryptoproxy.common.asking import EVERY_MS, FETCHED_AT
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.producer.aside import Aside
from cryptoproxy.producer.feeds.poll import CallAnswer
from cryptoproxy.upstreams.asked import Askable

EVERY_SECONDS = 10.0
"""For one call; what a faster poll is told in between is not sent."""
MAX_BYTES = 32 * 1024 * 1024
"""Of one answer, unpacked: a quarter of it is what the topic takes, packed."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
MAX_CALLS = 10_000


class _Waiting(NamedTuple):
    body: bytes
    fetched_at_ms: int
    every_ms: int


class Answers(Aside):
    """:meth:`put` is for any thread.

    Args:
        asked: how each upstream's calls are named.
        connect: makes a producer.
    """

    def __init__(
        self,
        kafka: Kafka,
        asked: Mapping[str, Askable],
        *,
        metrics: PollerMetrics,
        clock: Clock,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(
            kafka,
            kafka.answers_topic,
            counted=metrics.answers,
            lacks="an answer",
            turn_seconds=0.5,
            clock=clock,
            connect=connect,
            options={
                "client_id": f"{kafka.client_id}-answers",
                "max_request_size": MAX_BYTES + 64 * 1024,
                "compression_type": "zstd",
            },
        )
        self._asked = asked
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._sent: dict[str, float] = {}
        """When each was taken last, in monotonic seconds."""

    def put(self, upstream: str, answers: Sequence[CallAnswer], *, every_ms: int = 0) -> None:
        """Keeps the newest for :meth:`run`; never waits and never raises.

        Args:
            every_ms: between two polls, for who reads one answer alone and has to know whether it is late; 0: unknown.
        """
        asked = self._asked.get(upstream)
        if asked is None:
            return
        for each in answers:
            key = asked.question(each.call).key
            with self._lock:
                self._waiting.pop(key, None)
                size = sum(len(other.body) for other in self._waiting.values())
                fits = len(each.body) <= MAX_BYTES and size + len(each.body) <= MAX_WAITING_BYTES
                if fits and (len(self._sent) < MAX_CALLS or key in self._sent):
                    self._waiting[key] = _Waiting(each.body, each.fetched_at_ms, every_ms)
                    continue
            self._lost("dropped", 1, f"one of {len(each.body)} bytes has no room")

    def send(self) -> bool:
        """What is due, now; False if the topic did not take all of it."""
        now = self._clock.monotonic()
        with self._lock:
            due = [key for key in self._waiting if now - self._sent.get(key, float("-inf")) >= EVERY_SECONDS]
            taken = {key: self._waiting.pop(key) for key in due}
            self._sent |= dict.fromkeys(due, now)
        if not taken:
            return True
        failures = self._send_all([partial(self._send, key=key, each=each) for key, each in taken.items()])
        again = {
            key: each
            for (key, each), failure in zip(taken.items(), failures, strict=True)
            if failure is not None and not isinstance(failure, kafka_errors.MessageSizeTooLargeError)
        }
        with self._lock:
            for key, each in again.items():
                self._waiting.setdefault(key, each)  # unless there is a newer one already
                self._sent.pop(key)
        return not any(failures)

    def _send(self, producer: Any, key: str, each: _Waiting) -> Any:
        headers = [(FETCHED_AT, str(each.fetched_at_ms).encode())]
        if each.every_ms:
            headers.append((EVERY_MS, str(each.every_ms).encode()))
        return producer.send(self._topic, key=key.encode(), value=each.body, headers=headers)
