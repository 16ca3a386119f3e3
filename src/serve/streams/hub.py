"""Who listens to what. A **topic** is what is subscribed to, as its upstream spells it (``btcusdt@aggTrade``,
``publicTrade.BTCUSDT``), at a venue (``binance``, ``bybit-linear``). A **listener** is a connection.

All of it belongs to the loop of the door; threads hand their records over by :class:`Ferry`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.serve.streams.wire import POLICY, Wire, framed

Topic = tuple[str, str]
"""Venue, and the name there."""
SLOW = "too slow: what was told to you has not been read"


class Said:
    """What is told of one topic, framed once for all who hear it in the same shape."""

    __slots__ = ("_frames", "text", "topic")

    def __init__(self, topic: str, text: bytes) -> None:
        self.topic, self.text = topic, text
        self._frames: dict[bool, bytes] = {}

    def frame(self, *, combined: bool) -> bytes:
        """Args:
        combined: with the topic's name around it, as Binance's ``/stream`` tells it.
        """
        frame = self._frames.get(combined)
        if frame is None:
            text = b'{"stream":"%s","data":%s}' % (self.topic.encode(), self.text) if combined else self.text
            frame = self._frames[combined] = framed(text)
        return frame


class Listener(Protocol):
    """One connection, as the hub sees it."""

    venue: str
    combined: bool
    wire: Wire
    topics: dict[str, None]


class Hub:
    """See above."""

    def __init__(self, metrics: ServeMetrics) -> None:
        self._metrics = metrics
        self._of: dict[Topic, set[Listener]] = {}
        self._all: set[Listener] = set()

    def enter(self, listener: Listener) -> None:
        self._all.add(listener)
        self._metrics.listeners.labels(listener.venue).inc()

    def leave(self, listener: Listener) -> None:
        self.drop(listener, list(listener.topics))
        self._all.discard(listener)
        self._metrics.listeners.labels(listener.venue).dec()

    def add(self, listener: Listener, topics: Iterable[str]) -> None:
        for name in topics:
            listener.topics[name] = None
            self._of.setdefault((listener.venue, name), set()).add(listener)

    def drop(self, listener: Listener, topics: Iterable[str]) -> None:
        for name in topics:
            listener.topics.pop(name, None)
            heard = self._of.get((listener.venue, name), set())
            heard.discard(listener)
            if not heard:
                self._of.pop((listener.venue, name), None)

    def wants(self, venue: str, name: str) -> bool:
        """Whether anybody listens: what nobody hears is not made."""
        return (venue, name) in self._of

    def wanted(self, venue: str) -> list[str]:
        """All topics of a venue that anybody listens to."""
        return [name for there, name in self._of if there == venue]

    def tell(self, venue: str, name: str, text: bytes) -> None:
        """To all who listen. Who has not read for too long is cut, and holds up nobody."""
        heard = self._of.get((venue, name))
        if not heard:
            return
        said = Said(name, text)
        slow = [each for each in heard if not each.wire.write(said.frame(combined=each.combined))]
        self._metrics.told.labels(venue).inc(len(heard))
        for each in slow:
            self.cut(each)

    def cut(self, listener: Listener) -> None:
        """It does not read what it is told."""
        self._metrics.cut.labels(listener.venue, "slow").inc()
        listener.wire.cut(POLICY, SLOW)
        self.drop(listener, list(listener.topics))


class Ferry:
    """Hands records from the threads that follow topics to the loop: a portion at a time of each thread, so that what
    waits is never more than that."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._there = threading.Event()

    def arrive(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The loop that takes them; None when it ends."""
        self._loop = loop
        if loop is not None:
            self._there.set()

    def over(self, take: Callable[[Sequence[Any]], int], records: Iterable[Any], *, seconds: float = 30.0) -> int:
        """What ``take`` gives of them on the loop; 0 where there is none. Blocks."""
        self._there.wait(seconds)
        if (loop := self._loop) is None or loop.is_closed():
            return 0
        done, found = threading.Event(), [0]
        portion = list(records)

        def turn() -> None:
            try:
                found[0] = take(portion)
            finally:
                done.set()

        try:
            loop.call_soon_threadsafe(turn)
        except RuntimeError:  # it has just ended
            return 0
        deadline = time.monotonic() + seconds
        while not done.wait(0.5) and self._loop is not None and time.monotonic() < deadline:
            pass
        return found[0]
