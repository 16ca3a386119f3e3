"""Where a replay goes. The index is reached by the indexer's own path, so every rule of it holds here, too; a topic
gets key, headers and bytes as the poller sends them, at least once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import discard
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import Destination, read
from cryptoproxy.consumer.index.delivery import Delivery
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import OperatorError, PoisonError, TransientError
from cryptoproxy.lake.form import Fault, Stored

log = logging.getLogger(__name__)

T = TypeVar("T")
ACK_SECONDS = 30.0


@dataclass(slots=True)
class Sent:
    """What came of some records."""

    written: int = 0
    known: int = 0
    refused: list[Fault] = field(default_factory=list)
    """Can never be taken there."""


class Target(Protocol):
    """Takes records; waits for as long as it cannot."""

    def begin(self) -> None:
        """Returns when it is there and set up."""

    def send(self, records: Sequence[Stored]) -> Sent:
        """Returns when each has its end."""

    def close(self) -> None:
        """No more comes."""


class _Consumed(NamedTuple):
    """A line as if it had been consumed. What is said of a record names its partition and offset: object and line."""

    partition: str
    offset: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class IndexTarget:
    """decode → index, by the indexer's path: `create`, so that a first copy stays; each into its own period's index.
    Thread-safe.

    What Elasticsearch refuses as unreadable is reported and not sent to the dead letters: that topic accounts for
    the live topic's records (headers with partition and offset), and one that was refused when it was live is there
    already. Nothing is lost by it, since the line stays in the lake.
    """

    def __init__(
        self,
        delivery: Delivery,
        dataset: Dataset[Any],
        place: Callable[[Dataset[Any], str], Destination],
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._delivery = delivery
        self._dataset = dataset
        self._place = place
        self._now_ms = now_ms
        self._closed = threading.Event()

    def begin(self) -> None:
        self._delivery.verify()

    def send(self, records: Sequence[Stored]) -> Sent:
        sent = Sent()
        for part, consumed in self._by_part(records).items():
            batch = read({"lake": consumed}, self._place(self._dataset, part), now_ms=self._now_ms())
            delivered = self._delivery.deliver(batch, self._closed)
            if delivered.abandoned:
                raise TransientError("the replay was broken off")
            sent.written += delivered.indexed
            sent.known += delivered.duplicates
            sent.refused += [
                Fault(dead.record.partition, dead.record.offset, dead.reason, dead.error)
                for dead in (*batch.dead, *delivered.dead)
            ]
        return sent

    def _by_part(self, records: Sequence[Stored]) -> dict[str, list[_Consumed]]:
        """What cannot be decoded is of any part: it is refused there."""
        found: dict[str, list[_Consumed]] = {}
        only = next(iter(self._dataset.parts))
        for each in records:
            part = only
            if len(self._dataset.parts) > 1:
                with suppress(PoisonError):
                    part = self._dataset.part(self._dataset.codec.decode(each.line))
            found.setdefault(part, []).append(_Consumed(each.key, each.number, each.line))
        return found

    def close(self) -> None:
        """What still waits for Elasticsearch is given up; the next start sends it again."""
        self._closed.set()


def key_of(document_id: str, dataset: Dataset[Any] = TICKER) -> bytes:
    """The topic's key: a document's id is its key and its serial; of a compacted dataset its key alone."""
    return (document_id if dataset.compacted else document_id.rpartition(":")[0]).encode()


class TopicTarget:
    """Nothing counts as sent but what is acknowledged; a producer that fails is thrown away (it may hang for good).
    Used by one thread at a time.

    Args:
        connect: makes a producer; secrets are read afresh. With ``one_by_one=True`` one whose errors are each that of
            its own record.
        wait: pauses for so many seconds.
    """

    def __init__(
        self,
        topic: str,
        kafka: Kafka,
        dataset: Dataset[Any] = TICKER,
        *,
        connect: Callable[..., Any],
        wait: Callable[[float], object],
    ) -> None:
        self._topic = topic
        self._dataset = dataset
        self._kafka = kafka
        self._connect = connect
        self._patience = Patience("Kafka", wait)
        self._producer: Any = None
        self._one_by_one = False

    def begin(self) -> None:
        """Raises:
        OperatorError: the topic is missing, or may not be written to.
        """
        self._patiently(self._connected)

    def send(self, records: Sequence[Stored]) -> Sent:
        sent = Sent()
        waiting = list(records)
        while waiting:
            # From the first that failed on, all again: an asset's records stay in order, at the price of some twice.
            waiting = self._patiently(lambda left=waiting: self._attempt(left, sent))  # type: ignore[misc]
        self._in_turn(one_by_one=False)
        return sent

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            discard(producer)

    def _attempt(self, records: list[Stored], sent: Sent) -> list[Stored]:
        """Sends all; returns what is left to send again.

        Raises:
            kafka.errors.KafkaError: before anything was acknowledged.
        """
        producer = self._connected()
        futures = [
            producer.send(
                self._topic, key=key_of(each.id, self._dataset), value=each.line, headers=self._dataset.headers
            )
            for each in records
        ]
        for at, (each, future) in enumerate(zip(records, futures, strict=True)):
            try:
                future.get(timeout=ACK_SECONDS)
            except kafka_errors.MessageSizeTooLargeError as error:
                if not self._one_by_one:  # this one, or another one beside it
                    self._in_turn(one_by_one=True)
                    return records[at:]
                sent.refused.append(Fault(each.key, each.number, "too_large", f"{self._topic} refuses it: {error}"))
            except kafka_errors.KafkaError:
                if at == 0:
                    raise
                log.warning("%d of %d records are sent to %s again", len(records) - at, len(records), self._topic)
                self.close()
                return records[at:]
            else:
                sent.written += 1
        return []

    def _in_turn(self, *, one_by_one: bool) -> None:
        """From now on by a producer of that kind."""
        if self._one_by_one is not one_by_one:
            self.close()
            self._one_by_one = one_by_one

    def _connected(self) -> Any:
        if self._producer is None:
            self._producer = self._connect(one_by_one=self._one_by_one)
        return self._producer

    def _patiently(self, action: Callable[[], T]) -> T:
        return self._patience(lambda: self._once(action))

    def _once(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except kafka_errors.KafkaError as error:
            self.close()
            raise kafka_client.meaning(error, self._kafka) from error


def topic_producer(kafka: Kafka, topic: str, *, one_by_one: bool = False) -> Any:
    """A producer for ``topic``, which is there.

    Raises:
        OperatorError: it is not.
        kafka.errors.KafkaError: no broker answers.
    """
    error = kafka_client.topic_error(kafka, topic)
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        raise OperatorError(f"topic {topic} is missing", remedy="Make it first, or mend --topic")
    if error is not None:
        raise kafka_client.meaning(error, kafka)
    return kafka_client.producer(kafka, client_id="cryptoproxy-replay", one_by_one=one_by_one)
