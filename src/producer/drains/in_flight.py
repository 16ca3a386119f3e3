"""Polls that were sent to Kafka and are not acknowledged yet, the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.producer.outbox.entry import Entry


class Flight:
    """One poll on its way. ``futures`` are those of ``lines``, in order."""

    def __init__(self, entry: Entry, lines: list[bytes], futures: list[Any]) -> None:
        self.entry = entry
        self.bytes = sum(map(len, lines))
        self._lines = lines
        self._futures = futures
        self._next = 0

    def look(self) -> bool:
        """Takes notice of what has been acknowledged since; whether anything was.

        Raises:
            kafka.errors.KafkaError: something will not be.
        """
        before = self._next
        while self._next < len(self._futures) and self._futures[self._next].is_done:
            self._futures[self._next].get(timeout=0)
            self._next += 1
        return self._next > before

    def wait(self, seconds: float) -> None:
        """Until the next line is acknowledged or refused, or the time is over."""
        if self.done:
            return
        try:
            self._futures[self._next].get(timeout=seconds)
        except kafka_errors.KafkaError:
            return  # look() tells

    @property
    def unacknowledged(self) -> list[bytes]:
        """The lines that were not acknowledged when last looked at."""
        return self._lines[self._next :]

    @property
    def done(self) -> bool:
        return self._next == len(self._futures)


class InFlight:
    """The polls on their way. Bounded, so that a long backlog does not fill the memory.

    After a failure one poll goes first, alone, then twice as many each time: whatever made it fail is not met again
    with many polls under way, each of which would be on the topic once more.
    """

    def __init__(self, *, polls: int, max_bytes: int) -> None:
        self._polls = polls
        self._max_bytes = max_bytes
        self._bytes = 0
        self._flights: deque[Flight] = deque()
        self._entries: set[Entry] = set()
        self.limit = polls
        """How many may be under way."""

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._entries

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._flights))

    @property
    def oldest(self) -> Flight:
        return self._flights[0]

    @property
    def full(self) -> bool:
        return len(self._flights) >= self.limit or self._bytes >= self._max_bytes

    def add(self, flight: Flight) -> None:
        self._flights.append(flight)
        self._entries.add(flight.entry)
        self._bytes += flight.bytes

    def landed(self, flight: Flight) -> None:
        """It is acknowledged."""
        self._flights.remove(flight)
        self._entries.discard(flight.entry)
        self._bytes -= flight.bytes
        self.limit = min(self._polls, self.limit * 2)

    def lost(self) -> None:
        """None of them counts: all are to be sent again."""
        self._flights.clear()
        self._entries.clear()
        self._bytes = 0
        self.limit = 1
