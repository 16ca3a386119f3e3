"""What the active poller tells the next one, on whatever machine: budgets, bans, the last slots kept.

It stands in the compacted topic beside the lease, by key the latest: ``budget:<upstream>`` is a :meth:`Budget.state`,
``slot:<source>`` the last slot kept, ``stream:<feed>``
how far each symbol is published. Publishing is best effort and has a loop of its own: polling never waits for it.
What a crash leaves unpublished is what was counted in the last seconds, for which the plan's head-room is enough; a ban
is published at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import noted
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.outbox import Outbox

log = logging.getLogger(__name__)

READ_SECONDS = 10.0
EVERY_SECONDS = 3.0
REPEAT_SECONDS = 60.0
"""What has not changed is published again, too: a predecessor that had lost its lease without knowing may have written
after us."""

ACK_SECONDS = 5.0
_STEP_SECONDS = 0.5


def budget_key(upstream: str) -> str:
    return f"budget:{upstream}"


def stream_key(feed: str) -> str:
    return f"stream:{feed}"


def slot_key(source: str) -> str:
    return f"slot:{source}"


class Handover:
    """Reads the compacted state topic when the lease is acquired, before the first poll.

    Args:
        read: the latest value of each key of the topic.
    """

    def __init__(
        self,
        kafka: Kafka,
        budgets: Mapping[str, Budget],
        sources: Iterable[str],
        outbox: Outbox,
        *,
        read: Callable[[], Mapping[str, bytes]] | None = None,
    ) -> None:
        self._budgets = budgets
        self._sources = list(sources)
        self._outbox = outbox
        self._read = read or (lambda: read_all(kafka, timeout=READ_SECONDS))
        self.states: dict[str, Callable[[], bytes]] = {
            **{budget_key(upstream): budget.state for upstream, budget in budgets.items()},
            **{slot_key(source): partial(self._slot, source) for source in self._sources},
        }
        """What to tell, by key of the topic."""
        self.found: Mapping[str, bytes] = {}
        """What stood there when it was read last."""

    def take_over(self) -> None:
        """Raises:
        TransientError, OperatorError: the topic could not be read; the lease tries again before it polls.
        """
        state = self.found = self._read()
        for upstream, budget in self._budgets.items():
            if value := state.get(budget_key(upstream)):
                budget.merge(value)
        for source in self._sources:
            if slot_ms := noted(state.get(slot_key(source), b"")):
                self._advance(source, slot_ms)
                log.info("%s was polled last for %s", source, iso(slot_ms))

    def _advance(self, source: str, slot_ms: int) -> None:
        try:
            self._outbox.advance_last_slot(source, slot_ms)
        except OSError as error:
            raise OperatorError(
                f"the outbox {self._outbox.folder} cannot be written: {error}",
                remedy="Free its disk or mend its rights",
            ) from error

    def _slot(self, source: str) -> bytes:
        """The last one kept; empty before the first."""
        last = self._outbox.last_slot(source)
        return b"" if last is None else str(last).encode()


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
        # A batch may expire only after its request has: kafka-python wants more than the 30 s that one may take.
        options: dict[str, Any] = {"client_id": f"{kafka.client_id}-state", "delivery_timeout_ms": 35_000}
        connect = connect or partial(kafka_client.producer, kafka, **options)
        self._sender = Sender(connect, ack_seconds=ACK_SECONDS, end_seconds=ACK_SECONDS)
        self._monotonic = monotonic
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
        self._sender.discard()

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
        failures = self._sender.send_all([partial(self._send, key=key, value=changed[key]) for key in changed])
        for key, failure in zip(changed, failures, strict=True):
            if failure is None:
                self._published[key] = (changed[key], now)
        first = next(filter(None, failures), None)
        if first is not None:
            meaning = kafka_client.meaning(first, self._kafka)
            self._often.warning("away", f"the state is not published, so another machine would not know it: {meaning}")
        return first is None

    def _values(self) -> dict[str, bytes]:
        return {key: value for key, ask in self._states.items() if (value := ask())}

    def _is_due(self, key: str, value: bytes, now: float) -> bool:
        before, when = self._published.get(key, (b"", 0.0))
        return value != before or now - when >= REPEAT_SECONDS

    def _send(self, producer: Any, key: str, value: bytes) -> Any:
        return producer.send(self._kafka.state_topic, key=key.encode(), value=value)

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
            kafka_client.close(consumer)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    return latest


def _enter(latest: dict[str, bytes], key: bytes | None, value: bytes | None) -> None:
    name = (key or b"").decode(errors="replace")
    if value is None:
        latest.pop(name, None)
    elif name:
        latest[name] = value
