"""Where a replay goes. The index is reached by the indexer's own path, so every rule of it holds here, too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cryptoproxy.common.errors import TransientError
from cryptoproxy.common.record import Period
from cryptoproxy.consumer.batch import read
from cryptoproxy.consumer.delivery import Delivery
from cryptoproxy.lake.form import Fault, Stored


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

    def __init__(self, delivery: Delivery, *, alias: str, period: Period, now_ms: Callable[[], int]) -> None:
        self._delivery = delivery
        self._alias = alias
        self._period = period
        self._now_ms = now_ms
        self._closed = threading.Event()

    def begin(self) -> None:
        self._delivery.verify()

    def send(self, records: Sequence[Stored]) -> Sent:
        consumed = [_Consumed(each.key, each.number, each.line) for each in records]
        batch = read({"lake": consumed}, alias=self._alias, period=self._period, now_ms=self._now_ms())
        delivered = self._delivery.deliver(batch, self._closed)
        if delivered.abandoned:
            raise TransientError("the replay was broken off")
        refused = [
            Fault(dead.record.partition, dead.record.offset, dead.reason, dead.error)
            for dead in (*batch.dead, *delivered.dead)
        ]
        return Sent(delivered.indexed, delivered.duplicates, refused)

    def close(self) -> None:
        """What still waits for Elasticsearch is given up; the next start sends it again."""
        self._closed.set()
