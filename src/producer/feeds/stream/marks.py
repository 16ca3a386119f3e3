"""How far each symbol of a stream is published: what a successor begins from.

A mark counts when all that was kept up to it is acknowledged by Kafka, its gaps among them. It is told on the state
topic with its time; what was published after that, the successor finds at the topic's tail.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import Noted
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.upstreams.streaming.stream import Mark

MOST_WAITING = 10_000
"""Batches on their way. What is passed over with a drain that has no room is never published: beyond this it is taken
for gone."""


class StreamNote(msgspec.Struct):
    """What stands on the state topic for one stream."""

    told_ms: Noted = 0
    """Our clock, when the last of these was acknowledged."""
    marks: dict[str, Mark] = {}
    """By symbol."""
    connected: bool = False
    """Whether all topics of its venue came when this was told."""
    frame_ms: Noted = 0
    """Our clock, when its last data came; 0 before any."""


_told = msgspec.json.Decoder(StreamNote)


@dataclass(eq=False)
class _Kept:
    """One batch."""

    waiting: set[Entry] = field(default_factory=set)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    whole: bool = False
    """All of its entries are known."""


class Marks:
    """Of one stream. One thread keeps, another publishes, a third one asks for the state."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._batches: deque[_Kept] = deque()
        self._of: dict[Entry, _Kept] = {}
        self._told = StreamNote()

    def begin(self, told: StreamNote) -> None:
        """What the holder before has told counts until more is known."""
        with self._lock:
            self._batches.clear()
            self._of.clear()
            self._told = StreamNote(told.told_ms, told.marks)

    def open(self) -> None:
        """A batch is about to be kept."""
        with self._lock:
            self._batches.append(_Kept())

    def entered(self, entry: Entry) -> None:
        """An entry of it is safe; no drain has seen it yet."""
        with self._lock:
            batch = self._batches[-1]
            batch.waiting.add(entry)
            self._of[entry] = batch

    def close(self, marks: Mapping[str, Mark]) -> None:
        """All of it is kept, and these hold with it."""
        with self._lock:
            self._batches[-1].marks, self._batches[-1].whole = marks, True
            if len(self._batches) > MOST_WAITING:
                for entry in self._batches[0].waiting:
                    self._of.pop(entry, None)
                self._batches[0].waiting.clear()
            self._advance()

    def published(self, entry: Entry) -> None:
        """Each record of ``entry`` is acknowledged; of another's nothing happens."""
        with self._lock:
            batch = self._of.pop(entry, None)
            if batch is not None:
                batch.waiting.discard(entry)
                self._advance()

    def _advance(self) -> None:
        while self._batches and self._batches[0].whole and not self._batches[0].waiting:
            marks = self._batches.popleft().marks
            if marks:
                self._told = StreamNote(self._now_ms(), {**self._told.marks, **marks})

    def state(self, *, connected: bool = False, frame_ms: int = 0) -> bytes:
        """For another machine, and for whoever asks how it goes; empty while there is nothing to tell."""
        with self._lock:
            told = self._told
        if not told.marks and not frame_ms:
            return b""
        return msgspec.json.encode(StreamNote(told.told_ms, told.marks, connected, frame_ms))


def told_in(value: bytes | None) -> StreamNote:
    """What a state says; nothing where there is none, or another version wrote it."""
    try:
        return _told.decode(value) if value else StreamNote()
    except UNREADABLE:
        return StreamNote()
