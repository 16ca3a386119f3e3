"""The frames of a connection's feeds, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.frame import Frame

AHEAD_MS = 300
"""So far into a second the next one is begun to be made, feed by feed."""


class Due(NamedTuple):
    topic: str
    frame: Frame


class DuePlan:
    """What is due from one moment to the next. Of a feed that was added in between, only what is younger."""

    def __init__(self, now_ms: int) -> None:
        self._at = now_ms
        self._feeds: dict[str, tuple[Feed, int]] = {}
        self._second = -1
        self._rows: list[Due] = []
        self._next = 0
        self._ahead: Iterator[Feed] = iter(())
        self._ahead_second = -1

    def set(self, feeds: Mapping[str, Feed], now_ms: int) -> None:
        """The feeds from now on."""
        self._feeds = {topic: (feed, self._feeds.get(topic, (feed, now_ms))[1]) for topic, feed in feeds.items()}
        self._second = -1

    def due(self, now_ms: int) -> Iterator[Due]:
        """All up to now that was not due before."""
        while self._at < now_ms:
            second = (self._at + 1) // 1000
            if second != self._second:
                self._load(second)
            until = min(now_ms, second * 1000 + 999)
            rows, at = self._rows, self._next
            while at < len(rows) and rows[at].frame.at_ms <= until:
                at += 1
            found, self._next, self._at = rows[self._next : at], at, until
            yield from found

    def prepare(self, now_ms: int) -> bool:
        """Makes one feed's next second. Whether there are more."""
        second = now_ms // 1000 + 1
        if now_ms % 1000 < AHEAD_MS:
            return False
        if self._ahead_second != second:
            self._ahead_second, self._ahead = second, iter([feed for feed, _ in self._feeds.values()])
        feed = next(self._ahead, None)
        if feed is None:
            return False
        feed.second(second)
        return True

    def _load(self, second: int) -> None:
        found = [
            Due(topic, frame)
            for topic, (feed, since) in self._feeds.items()
            for frame in feed.second(second)
            if frame.at_ms > self._at and frame.at_ms > since
        ]
        found.sort(key=lambda due: due.frame.at_ms)
        self._second, self._rows, self._next = second, found, 0
