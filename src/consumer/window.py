"""The batches under way, oldest first, and the offsets that may be committed because all before them is finished."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from consumer.batch import Batch
from consumer.delivery import Delivered


@dataclass(slots=True)
class InFlight:
    """A batch between its reading and its end."""

    batch: Batch
    future: Future[Any]
    """First of the delivery to Elasticsearch, then, where something is poison, of the dead letters."""
    delivered: Delivered | None = None
    abandon: threading.Event = field(default_factory=threading.Event)


class Window:
    """First in, first out. Not thread-safe: its user holds a lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._flights: deque[InFlight] = deque()
        self._finished: dict[Any, int] = {}

    @property
    def full(self) -> bool:
        return len(self._flights) >= self._size

    def __len__(self) -> int:
        return len(self._flights)

    def add(self, flight: InFlight) -> None:
        self._flights.append(flight)

    @property
    def oldest(self) -> InFlight | None:
        return self._flights[0] if self._flights else None

    def finish_oldest(self) -> None:
        """The oldest batch is finished: its offsets are the highest contiguous finished ones."""
        self._finished.update(self._flights.popleft().batch.next_offsets)

    def take_finished(self) -> Mapping[Any, int]:
        """The offsets to commit since the last call, by TopicPartition."""
        finished, self._finished = self._finished, {}
        return finished

    def put_back(self, offsets: Mapping[Any, int]) -> None:
        """A commit failed: offer them again, unless something newer is finished by now."""
        self._finished = {**offsets, **self._finished}

    def abandon_all(self) -> None:
        """The partitions are somebody else's: stop working on what is unfinished, and forget it."""
        for flight in self._flights:
            flight.abandon.set()
        self._flights.clear()
        self._finished.clear()

    def wait_for_oldest(self, seconds: float) -> None:
        """Returns when the oldest batch's present step is done, or the time is over."""
        if self._flights:
            wait((self._flights[0].future,), timeout=seconds)
