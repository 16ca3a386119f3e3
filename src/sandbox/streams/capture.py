"""Recorded frames, told again to whoever subscribes to their topics, at their pace or as fast as they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.frame import NO_NUMBER, Frame
from cryptoproxy.sandbox.streams.plan import Due

SILENT = Feed(lambda _second: ())
"""A topic that a capture has: what it tells comes from there."""


class Capture:
    """Frames in the order of their arrival; ``at_ms`` counts from the first.

    Args:
        pace: so many times as fast as recorded; 0: at once.
    """

    def __init__(self, rows: Iterable[Due], *, pace: float = 1.0) -> None:
        self.rows = list(rows)
        self.topics = frozenset(row.topic for row in self.rows)
        self.pace = pace


class CapturePlan:
    """As ``plan.Plan``, out of a capture. It begins with the first subscription to one of its topics."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._began_ms: int | None = None
        self._topics: frozenset[str] = frozenset()
        self._next = 0

    def set(self, feeds: Mapping[str, Feed], now_ms: int) -> None:
        self._topics = frozenset(feeds)
        if self._began_ms is None and self._topics & self._capture.topics:
            self._began_ms = now_ms

    def due(self, now_ms: int) -> Iterator[Due]:
        """All that the recorder had by now of the topics subscribed to."""
        if self._began_ms is None:
            return
        rows, pace = self._capture.rows, self._capture.pace
        until = (now_ms - self._began_ms) * pace
        while self._next < len(rows) and (pace == 0 or rows[self._next].frame.at_ms <= until):
            row = rows[self._next]
            self._next += 1
            if row.topic in self._topics:
                yield row

    def prepare(self, now_ms: int) -> bool:
        return False


class _Line(NamedTuple):
    upstream: str
    topic: str
    data: bytes


class _Wrapped(msgspec.Struct):
    stream: str = ""
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


def load(paths: Iterable[Path | str], *, pace: float = 1.0) -> dict[str, Capture]:
    """By upstream. A line is a frame as it came, of Binance one that is wrapped with its stream's name; lines that are
    no topic's are left out. When each came is told by ``NAME.recv.txt`` beside ``NAME.jsonl``, a line for each in
    nanoseconds; without one, by the event time in it.

    Raises:
        OSError: a file cannot be read.
        ValueError: a line is no frame, or there are none.
    """
    found: dict[str, list[Due]] = {}
    for path in map(Path, paths):
        lines = path.read_bytes().splitlines()
        arrivals = path.with_name(f"{path.stem}.recv.txt")
        known = [int(each) // 1_000_000 for each in arrivals.read_text().split()] if arrivals.exists() else None
        if known is not None and len(known) != len(lines):
            raise ValueError(f"{arrivals}: {len(known)} times for {len(lines)} lines")
        first: int | None = None
        for n, text in enumerate(lines):
            line = _read(text, f"{path}:{n + 1}")
            if line is None:
                continue
            frame = _frame(line, known[n] if known else None)
            first = frame.at_ms if first is None else first
            due = Due(line.topic, frame._replace(at_ms=frame.at_ms - first))
            found.setdefault(line.upstream, []).append(due)
    if not found:
        raise ValueError(f"no frames in {', '.join(map(str, paths))}")
    return {name: Capture(sorted(rows, key=lambda due: due.frame.at_ms), pace=pace) for name, rows in found.items()}


def _read(text: bytes, place: str) -> _Line | None:
    try:
        line = msgspec.json.decode(text, type=_Wrapped)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{place}: {error}") from None
    if line.stream:
        return _Line("binance", line.stream, bytes(line.data))
    return _Line("bybit", line.topic, text) if line.topic else None


def _frame(line: _Line, arrived_ms: int | None) -> Frame:
    message: Any = msgspec.json.decode(line.data)
    inner = message if line.upstream == "binance" else message["data"]
    number: object = None
    if isinstance(inner, dict):
        number = inner.get("u", inner.get("a" if inner.get("e") == "aggTrade" else "t"))
    last = number if isinstance(number, int) else NO_NUMBER
    first = last if last == NO_NUMBER else inner.get("U", last)
    at_ms = message.get("E", message.get("ts", 0)) if arrived_ms is None else arrived_ms
    return Frame(at_ms, line.data, first, last)
