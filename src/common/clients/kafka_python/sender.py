"""The one way to write to Kafka: nothing counts but a resolved future, and a producer that may hang is replaced.

`flush()` proves nothing, and once a batch has expired kafka-python's idempotent producer may never resolve another
future. So after a failure the producer is thrown away, and what is not acknowledged is sent again by a new one: same
ids, same bytes, harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from kafka import errors as kafka_errors


class Sender:
    """Has a producer as long as it is well. Thread-safe.

    Args:
        connect: makes a producer; secrets are read afresh each time. With ``one_by_one=True`` one whose errors are each
            that of its own record, see :func:`kafka.producer`.
        ack_seconds: for how long an acknowledgement is waited for.
        end_seconds: for how long the end of a producer is waited for before there is another one, so that what is old
            is not written after what is new. None: not at all, where that does not matter.
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        *,
        ack_seconds: float,
        end_seconds: float | None = 2.0,
        one_by_one: bool = False,
    ) -> None:
        self._connect = connect
        self._ack_seconds = ack_seconds
        self._end_seconds = end_seconds
        self._one_by_one = one_by_one
        self._lock = threading.Lock()
        self._producer: Any = None
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._producer is not None

    def producer(self) -> Any:
        """The one there is, or a new one.

        Raises:
            kafka.errors.KafkaError, OperatorError: as ``connect``.
        """
        with self._lock:
            if self._closed:
                raise kafka_errors.KafkaTimeoutError("closed")
            if self._producer is None:
                self._producer = self._connect(one_by_one=True) if self._one_by_one else self._connect()
            return self._producer

    def send_all(self, sends: Sequence[Callable[[Any], Any]]) -> list[kafka_errors.KafkaError | None]:
        """Sends all, then waits for each. Returns what became of each: None where it is acknowledged.

        Args:
            sends: each sends one record by the producer that it is given, and returns the future.
        """
        producer: Any = None
        try:
            producer = self.producer()
            futures = [send(producer) for send in sends]
        except kafka_errors.KafkaError as error:
            self._throw_away(producer)
            return [error] * len(sends)
        failures: list[kafka_errors.KafkaError | None] = []
        well = True
        for future in futures:
            try:
                # After a failure the others get no time of their own: what has arrived has arrived.
                future.get(timeout=self._ack_seconds if well else 0)
            except kafka_errors.KafkaError as error:
                failures.append(error)
                well &= self._one_by_one and isinstance(error, kafka_errors.MessageSizeTooLargeError)
            else:
                failures.append(None)
        if not well:
            self._throw_away(producer)
        return failures

    def discard(self) -> bool:
        """Ends the producer with all that is under way; whether there was one. The next use makes a new one."""
        producer = self._producer
        self._throw_away(producer)
        return producer is not None

    def close(self) -> None:
        """No more is sent."""
        with self._lock:
            self._closed = True
        self.discard()

    def _throw_away(self, producer: Any) -> None:
        if producer is None:
            return
        with self._lock:
            if self._producer is producer:  # else another thread has a new one already
                self._producer = None
        if self._end_seconds is None:
            threading.Thread(target=discard, args=(producer,), name="discard", daemon=True).start()
        else:
            discard(producer, seconds=self._end_seconds)


def discard(producer: Any, *, seconds: float = 5.0) -> None:
    """Ends ``producer`` with all that it has not sent. Nobody counts that as sent; it is sent again by another one.

    Its own ``close`` raises where something is unsent and leaves the sender's thread running, which may then write
    what is old after what is new. So the sender is ended first.
    """
    sender = getattr(producer, "_sender", None)
    if sender is not None:
        sender.force_close()
        sender.join(seconds)
    with suppress(kafka_errors.KafkaError):
        producer.close(timeout=seconds)
