"""Outbox → Kafka, each entry to the topic of its dataset and part: in the order of keeping; an entry leaves when every
record of it is acknowledged by all in-sync replicas.

Without progress for a set time the producer is thrown away, and what is not acknowledged is sent again by a new one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import key, key_of
from cryptoproxy.errors import CryptoProxyError, OperatorError, PoisonError
from cryptoproxy.producer.drains.dead_letters import Address, DeadLetters
from cryptoproxy.producer.drains.in_flight import Flight, InFlight
from cryptoproxy.producer.outbox.entry import NO_SLOT, Entry, Lane
from cryptoproxy.producer.outbox.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import KAFKA

log = logging.getLogger(__name__)

PART = "kafka"
ACK_SECONDS = 30.0
"""Without an acknowledgement for so long, the producer is taken for hung. Below its delivery timeout."""
DELIVERY_TIMEOUT_MS = 120_000
"""The producer's own: it gives up what is unacknowledged for so long."""
SLOW_SECONDS = 5.0
"""Without one for so long, it is said."""
LONGEST_WAIT = 10.0
"""Between two tries to reach Kafka: readers wait for what is on the disk."""
FAREWELL_SECONDS = 3.0
"""At a stop, for what is on its way: a successor on another machine cannot deliver what waits here."""
MAX_POLLS = 64
MAX_BYTES = 8 * 1024 * 1024
"""On their way at once."""
_OF_A_TOPIC = (kafka_errors.TopicAuthorizationFailedError, kafka_errors.UnknownTopicOrPartitionError)
_FOREVER_MS = 2**62
_LOOK_SECONDS = 0.05


@dataclass(eq=False)
class Publisher:
    """The drain to Kafka; one thread.

    Args:
        connect: makes a producer; secrets are read afresh each time. With ``one_by_one=True`` one whose errors are each
            that of its own record.
        refusal: why a topic cannot be written to, asked before the first record of each producer; None where it can.
        published: told of each poll that is acknowledged.
    """

    kafka: Kafka
    outbox: Outbox
    _: KW_ONLY
    connect: Callable[..., Any]
    refusal: Callable[[str], CryptoProxyError | None]
    published: Callable[[Entry], None]
    health: Health
    metrics: PollerMetrics
    quiet: Callable[[str], bool]
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._sender = Sender(self.connect, ack_seconds=ACK_SECONDS)
        self._one_by_one = Sender(self.connect, ack_seconds=ACK_SECONDS, one_by_one=True)
        self._flights = InFlight(polls=MAX_POLLS, max_bytes=MAX_BYTES)
        self._progress = 0.0
        self._open: set[str] = set()
        """Topics that the present producer may write to."""
        self._shut: dict[Lane, float] = {}
        """Those whose topic cannot be written to, and until when (monotonic seconds) it is not looked at again."""
        self._dead_letters = DeadLetters(self.kafka, self.metrics, now_ms=self.clock.now_ms)

    def run(self, loop: Loop) -> None:
        """Until the process stops; what is left then is sent at the next start."""
        backoff = Backoff(cap=LONGEST_WAIT)
        while loop.running:
            try:
                if self._turn():
                    backoff.reset()
            except (kafka_errors.KafkaError, OperatorError) as error:
                self._fail(error)
                loop.wait(backoff.next())
        self._finish(loop)

    def _turn(self) -> bool:
        """Sends what there is room for, takes notice of what was acknowledged; whether a poll has left.

        Raises:
            kafka.errors.KafkaError, OperatorError: nothing more is to be expected of this producer.
        """
        self._send_waiting(self._sender.producer())
        if not self._flights:
            self.health.release(PART)
            self.outbox.wait(KAFKA, 0.5, without=self._shut)
            return False
        self._flights.oldest.wait(_LOOK_SECONDS)
        return self._land()

    def _send_waiting(self, producer: Any) -> None:
        now = self.clock.monotonic()
        for lane in [each for each, until in self._shut.items() if until <= now]:
            del self._shut[lane]
        for entry in self.outbox.oldest(KAFKA, self._flights.limit, without=self._shut):
            if self._flights.full:
                return
            if entry in self._flights or not self._may_send(entry):
                continue
            content = self.outbox.read(KAFKA, entry)
            if content is None:
                continue
            if not self._flights:
                self._progress = self.clock.monotonic()
            lines = content.removesuffix(b"\n").split(b"\n") if content else []
            send = self._send if self.outbox.inherited(entry) else self._send_own
            to = Address.of(entry.feed, self.kafka)
            futures = [send(producer, to, line) for line in lines]
            self._flights.add(Flight(entry, lines, futures))

    def _may_send(self, entry: Entry) -> bool:
        """Whether its topic is there for us. One that is not holds up no other.

        Raises:
            kafka.errors.KafkaError: that cannot be known now.
        """
        topic = Address.of(entry.feed, self.kafka).topic
        if topic not in self._open and entry.lane not in self._shut:
            if (why := self.refusal(topic)) is not None:
                self._shut_out(entry, why)
            else:
                self._open.add(topic)
                self.health.release(f"{PART} {topic}")
        return topic in self._open

    def _shut_out(self, entry: Entry, why: CryptoProxyError) -> None:
        topic = Address.of(entry.feed, self.kafka).topic
        self._open.discard(topic)
        self._shut[entry.lane] = self.clock.monotonic() + LONGEST_WAIT
        self.health.hold(f"{PART} {topic}", f"{why} (its polls wait on disk; all others go on)")

    def _land(self) -> bool:
        landed = False
        for flight in self._flights:
            oldest = flight is self._flights.oldest
            try:
                heard = flight.look()
            except kafka_errors.MessageSizeTooLargeError:
                self._sort_out(flight)
                return True
            except _OF_A_TOPIC as error:
                self._shut_out(flight.entry, kafka_client.meaning(error, self.kafka))
                self._throw_away()
                return False
            if heard and oldest:
                # What was sent later may be acknowledged by other brokers: the oldest tells whether all goes on.
                self._progress = self.clock.monotonic()
                self.health.release(PART)
            if flight.done:
                self._flights.landed(flight)
                self._leave(flight.entry)
                landed = True
        silent = self.clock.monotonic() - self._progress
        if self._flights and silent > ACK_SECONDS:
            raise kafka_errors.KafkaTimeoutError(f"no acknowledgement for {silent:.0f} s")
        if self._flights and silent > SLOW_SECONDS:
            brokers = ",".join(self.kafka.brokers)
            self._hold(f"Kafka at {brokers} has not acknowledged what was sent {silent:.0f} s ago")
        return landed

    def _sort_out(self, flight: Flight) -> None:
        """Something is too large for the topic. Which record it is, the error does not tell: see ``one_by_one`` of
        :func:`common.clients.kafka.producer`.

        Raises:
            kafka.errors.KafkaError, OperatorError: it cannot be told, or mended, now.
        """
        alone = len(self._flights) == 1
        self._throw_away()
        if not alone:
            return  # the polls come one after the other now, and then it is known which one it is
        try:
            to = Address.of(flight.entry.feed, self.kafka)
            too_large = self._too_large(to, flight.unacknowledged)
            if too_large:
                self._dead_letters.send_too_large(self._one_by_one, to, flight.entry, too_large)
        finally:
            self._one_by_one.discard()
        self._leave(flight.entry, dead=len(too_large))

    def _too_large(self, to: Address, lines: list[bytes]) -> list[bytes]:
        """Sends each line by itself; those that the topic refuses for their size. All others are acknowledged."""
        failures = self._one_by_one.send_all([partial(self._send, to=to, line=line) for line in lines])
        for error in failures:
            if error is not None and not isinstance(error, kafka_errors.MessageSizeTooLargeError):
                raise error
        return [line for line, error in zip(lines, failures, strict=True) if error is not None]

    def _leave(self, entry: Entry, *, dead: int = 0) -> None:
        self.outbox.done(KAFKA, entry)
        self.published(entry)
        count = entry.records - dead
        name = entry.feed.name
        self.metrics.records_published.labels(name).inc(count)
        level = logging.DEBUG if entry.slot_ms == NO_SLOT or self.quiet(name) else logging.INFO
        log.log(level, "%d records sent to %s", count, Address.of(entry.feed, self.kafka).topic)

    def _send_own(self, producer: Any, to: Address, line: bytes) -> Any:
        """What this process has encoded, and the outbox has proved to be still the same."""
        return producer.send(to.topic, key=key_of(line), value=line, headers=to.headers)

    def _send(self, producer: Any, to: Address, line: bytes) -> Any:
        try:
            record = to.dataset.codec.decode(line, now_ms=_FOREVER_MS)
        except PoisonError as error:  # kept by another version of this program, with another contract
            return self._dead_letters.send(producer, to, line, error.reason, str(error))
        return producer.send(to.topic, key=key(record).encode(), value=line, headers=to.headers)

    def _hold(self, why: str) -> None:
        self.health.hold(PART, f"{why} ({self.outbox.count(KAFKA)} polls wait on disk; polling goes on)")

    def _fail(self, error: kafka_errors.KafkaError | OperatorError) -> None:
        meaning = error if isinstance(error, OperatorError) else kafka_client.meaning(error, self.kafka)
        self._hold(str(meaning))
        self._throw_away()

    def _throw_away(self) -> None:
        """The producer, with all that is under way."""
        self._flights.lost()
        self._open.clear()
        if self._sender.discard():
            self.metrics.producer_replaced.inc()

    def _finish(self, loop: Loop) -> None:
        deadline = time.monotonic() + FAREWELL_SECONDS
        connected = self._sender.connected
        try:
            if connected:  # what streams have gathered is kept about now
                self.outbox.wait(KAFKA, 0.5, without=self._shut)
            while connected and self.outbox.oldest(KAFKA, 1, without=self._shut) and time.monotonic() < deadline:
                loop.turn()
                self._turn()
        except (kafka_errors.KafkaError, OperatorError) as error:
            log.warning("at the stop: %s; what is not acknowledged is sent at the next start", error)
        self._sender.discard()


def connect(kafka: Kafka, *, one_by_one: bool = False) -> Any:
    """A producer for all topics.

    Raises:
        OperatorError: a secret cannot be read.
        kafka.errors.KafkaError: no broker answers.
    """
    return kafka_client.producer(kafka, delivery_timeout_ms=DELIVERY_TIMEOUT_MS, one_by_one=one_by_one)


def refusal(kafka: Kafka, topic: str) -> CryptoProxyError | None:
    """Why ``topic`` cannot be written to, in words.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """
    error = kafka_client.topic_error(kafka, topic)
    return None if error is None else kafka_client.meaning(error, kafka)
