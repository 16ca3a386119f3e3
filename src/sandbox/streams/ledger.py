"""What was sent over WebSockets, to whom, which tests take as the truth.

A frame is written down before its first byte leaves: so the ledger may know of one that never arrived (``end`` tells
how the connection ended), but none can arrive that it does not know of. Of data it keeps the numbers, as runs without
a hole, not the text.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from cryptoproxy.sandbox.streams.frame import NO_NUMBER, Frame

EVENTS = 10_000
"""Kept; older ones go."""


@dataclass(slots=True)
class TopicRuns:
    """What a connection was told of one topic."""

    frames: int = 0
    first_ms: int = 0
    last_ms: int = 0
    runs: list[list[int]] = field(default_factory=list)
    """From and to of numbers that follow each other, in the order in which they were sent."""

    def add(self, frame: Frame) -> None:
        self.frames += 1
        self.first_ms = self.first_ms or frame.at_ms
        self.last_ms = frame.at_ms
        if frame.first != NO_NUMBER:
            add_run(self.runs, frame.first, frame.last)


@dataclass(slots=True)
class Connection:
    """One connection from handshake to end."""

    number: int
    upstream: str
    target: str
    opened_ms: int
    closed_ms: int = 0
    end: str = ""
    """Why it ended, empty while it lives: ``client``, ``cut``, ``life`` …"""
    heard: int = 0
    """Messages that the client sent, pings and pongs too."""
    topics: dict[str, TopicRuns] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """What a client said, what it was answered, and each fault. Numbered from 1."""

    seq: int
    at_ms: int
    connection: int
    kind: str
    """``heard``, ``said``, ``fault``, ``opened``, ``ended``."""
    text: str


@dataclass(frozen=True, slots=True)
class KeptBack:
    """Numbers of a topic that a rule kept from everybody; ``everywhere``: REST does not have them either."""

    topic: str
    first: int
    last: int
    everywhere: bool


class StreamLedger:
    """In memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._last = 0
        self._kept_back: list[KeptBack] = []

    def opened(self, upstream: str, target: str, now_ms: int) -> Connection:
        with self._changed:
            connection = Connection(len(self._connections) + 1, upstream, target, now_ms)
            self._connections.append(connection)
        self.event(connection, "opened", target, now_ms)
        return connection

    def ended(self, connection: Connection, why: str, now_ms: int) -> None:
        connection.closed_ms, connection.end = now_ms, why
        self.event(connection, "ended", why, now_ms)

    def sent(self, connection: Connection, topic: str, frame: Frame) -> None:
        """Only the connection's own thread calls this."""
        told = connection.topics.get(topic)
        if told is None:
            told = connection.topics[topic] = TopicRuns()
        told.add(frame)

    def event(self, connection: Connection, kind: str, text: str, now_ms: int) -> None:
        with self._changed:
            self._last += 1
            self._events.append(Event(self._last, now_ms, connection.number, kind, text))
            self._changed.notify_all()

    def keep_back(self, kept: KeptBack) -> None:
        with self._changed:
            self._kept_back.append(kept)
            self._changed.notify_all()

    def connections(self) -> list[Connection]:
        """In the order of their handshakes; those that live go on changing."""
        with self._changed:
            return list(self._connections)

    def events(self, since: int = 0) -> list[Event]:
        with self._changed:
            return [event for event in self._events if event.seq > since]

    def kept_back(self) -> list[KeptBack]:
        with self._changed:
            return list(self._kept_back)

    def wait(self, condition: Callable[[StreamLedger], bool], *, timeout: float = 10.0) -> bool:
        """Waits until that is so; False when the time was over first."""
        end = time.monotonic() + timeout
        while not condition(self):
            left = end - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.05))
        return True

    def show(self, since: int = 0) -> dict[str, object]:
        """As JSON: all connections, and the events after number ``since``."""
        return {
            "connections": [asdict(connection) for connection in self.connections()],
            "events": [asdict(event) for event in self.events(since)],
            "kept_back": [asdict(kept) for kept in self.kept_back()],
        }


def add_run(runs: list[list[int]], first: int, last: int) -> None:
    if runs and runs[-1][1] + 1 == first:
        runs[-1][1] = last
    else:
        runs.append([first, last])
