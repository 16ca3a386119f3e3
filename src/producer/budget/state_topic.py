"""The compacted topic beside the lease: by key the latest of what a successor on another machine must know.

``budget:<upstream>`` is a :meth:`Budget.state`, ``slot:<source>`` the last slot kept. Publishing is best effort and has
a loop of its own: polling never waits for it. What a crash leaves unpublished is what was counted in the last
seconds, for which the plan's head-room is enough; a ban is published at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.discard import discard
from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Kafka

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0
REPEAT_SECONDS = 60.0
"""What has not changed is published again, too: a predecessor that had lost its lease without knowing may have written
after us."""

ACK_SECONDS = 5.0
_STEP_SECONDS = 0.5


def budget_key(upstream: str) -> str:
    return f"budget:{upstream}"


def slot_key(source: str) -> str:
    return f"slot:{source}"


class StatePublisher:
    """Publishes what has changed, every few seconds. Add :meth:`run` to the service as a loop.

    Args:
        states: by key, what to ask for its value (asked by this loop's thread); empty bytes are not published.
        active: only the poller that polls publishes: one that stands by knows less than the topic does. Read the
            topic before this becomes true.
        urgent: when set (by a ban), the next publication is now.
        connect: makes a producer.
    """

    def __init__(
        self,
        kafka: Kafka,
        states: Mapping[str, Callable[[], bytes]],
        *,
        active: Callable[[], bool],
        urgent: threading.Event | None = None,
        connect: Callable[[], Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._states = states
        self._active = active
        self._urgent = urgent or threading.Event()
        self._connect = connect or (lambda: _producer(kafka))
        self._monotonic = monotonic
        self._producer: Any = None
        self._published: dict[str, tuple[bytes, float]] = {}
        self._often = Limited(log, seconds=300, clock=monotonic)

    def run(self, loop: Loop) -> None:
        """Until the stop; then once more, so that a planned handover loses nothing."""
        backoff = Backoff(first=EVERY_SECONDS)
        taken = True
        while loop.running:
            self._urgent.clear()  # before the states are read: what comes later is urgent again
            taken = self.publish()
            if taken:
                backoff.reset()
                self._wait(loop, EVERY_SECONDS, hasten=True)
            else:
                self._wait(loop, backoff.next(), hasten=False)
        if taken:  # else the stop would wait for brokers that are away
            self.publish(last=True)
        self.close()

    def publish(self, *, last: bool = False) -> bool:
        """What has changed, now. False if the topic did not take all of it; never raises for that.

        Args:
            last: at a stop the lease may be given up already; what this process had published, it completes.
        """
        if not self._active() and not (last and self._published):
            self._published.clear()  # a successor may have written: publish all when it is our turn again
            return True
        now = self._monotonic()
        changed = {key: value for key, value in self._values().items() if self._is_due(key, value, now)}
        if not changed:
            return True
        try:
            self._send(changed, now)
        except kafka_errors.KafkaError as error:
            # Once a batch has expired kafka-python's idempotent producer may hang for good: never use it again.
            self.close()
            meaning = kafka_client.meaning(error, self._kafka)
            self._often.warning("away", f"the state is not published, so another machine would not know it: {meaning}")
            return False
        return True

    def close(self) -> None:
        """Ends the producer before there is another one: what is old shall not be written after what is new."""
        producer, self._producer = self._producer, None
        if producer is not None:
            discard(producer, seconds=ACK_SECONDS)

    def _values(self) -> dict[str, bytes]:
        return {key: value for key, ask in self._states.items() if (value := ask())}

    def _is_due(self, key: str, value: bytes, now: float) -> bool:
        before, when = self._published.get(key, (b"", 0.0))
        return value != before or now - when >= REPEAT_SECONDS

    def _send(self, changed: Mapping[str, bytes], now: float) -> None:
        if self._producer is None:
            self._producer = self._connect()
        topic = self._kafka.state_topic
        sent = {key: self._producer.send(topic, key=key.encode(), value=value) for key, value in changed.items()}
        for key, future in sent.items():
            future.get(timeout=ACK_SECONDS)
            self._published[key] = (changed[key], now)

    def _wait(self, loop: Loop, seconds: float, *, hasten: bool) -> None:
        """Until a stop, or something urgent where that may ``hasten``."""
        deadline = self._monotonic() + seconds
        while loop.running and (left := deadline - self._monotonic()) > 0:
            step = min(left, _STEP_SECONDS)
            if hasten:
                if self._urgent.wait(step):
                    return
            else:
                loop.wait(step)


def read_all(kafka: Kafka, *, timeout: float, connect: Callable[[], Any] | None = None) -> dict[str, bytes]:
    """The latest value of each key, read from the topic's beginning to the end that it has now. A key that was deleted
    is not there.

    Raises:
        TransientError: not all of it could be read within ``timeout`` seconds, or there is no broker.
        OperatorError: the topic is missing, or rights are.
    """
    deadline = time.monotonic() + timeout
    latest: dict[str, bytes] = {}
    try:
        consumer = connect() if connect else kafka_client.consumer(kafka, group_id=None)
        try:
            left = deadline - time.monotonic()
            for record in kafka_client.read_to_end(consumer, kafka.state_topic, seconds=left):
                _enter(latest, record.key, record.value)
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    return latest


def _enter(latest: dict[str, bytes], key: bytes | None, value: bytes | None) -> None:
    name = (key or b"").decode(errors="replace")
    if value is None:
        latest.pop(name, None)
    elif name:
        latest[name] = value


def _producer(kafka: Kafka) -> Any:
    # A batch may expire only after its request has: kafka-python wants more than the 30 s that one may take.
    return kafka_client.producer(kafka, client_id=f"{kafka.client_id}-state", delivery_timeout_ms=35_000)
