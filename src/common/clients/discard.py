"""How to be rid of a Kafka producer that may hang."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kafka import errors as kafka_errors


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
