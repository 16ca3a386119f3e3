"""What becomes of a connection's frames by the rules: dropped, doubled, later, otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cryptoproxy.sandbox.rules.frame import StreamRule, rewritten
from cryptoproxy.sandbox.streams.frame import NO_NUMBER, Frame
from cryptoproxy.sandbox.streams.plan import Due


class Holes:
    """Numbers of topics that nobody is sent, by whichever connection.

    The connection that comes to a number first decides over it, under :attr:`lock`; the others follow.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._reached: dict[tuple[str, str], int] = {}

    @property
    def empty(self) -> bool:
        return not self._ranges

    def add(self, upstream: str, topic: str, first: int, last: int) -> None:
        self._ranges.setdefault((upstream, topic), []).append((first, last))

    def has(self, upstream: str, topic: str, frame: Frame) -> bool:
        ranges = self._ranges.get((upstream, topic)) if self._ranges else None
        return ranges is not None and any(first <= frame.first <= last for first, last in ranges)

    def reach(self, upstream: str, topic: str, frame: Frame) -> bool:
        """Whether no connection came to this number before. A frame without one is always new."""
        key = upstream, topic
        new = frame.first > self._reached.get(key, NO_NUMBER)
        if new:
            self._reached[key] = frame.last
        return new or frame.first == NO_NUMBER


class Out(NamedTuple):
    """A frame to be sent; ``message`` is what it says instead, where a rule has it so. The rule is that whose effect
    on the connection begins with it."""

    due: Due
    message: bytes | None = None
    rule: StreamRule | None = None


@dataclass(slots=True)
class _Held:
    due: Due
    until_ms: int
    behind: int


class Breaking:
    """Of one connection: frames go in as they are due and come out as they are sent."""

    def __init__(self) -> None:
        self._held: list[_Held] = []

    @property
    def holds(self) -> bool:
        """Whether a frame waits for later ones."""
        return bool(self._held)

    def through(self, due: Due, rule: StreamRule | None, now_ms: int) -> Iterator[Out]:
        if rule is not None and (rule.late is not None or rule.behind is not None):
            self._held.append(_Held(due, now_ms + round((rule.late or 0) * 1000), rule.behind or 0))
            return
        message = None
        if rule is not None and (rule.rewrite is not None or rule.body is not None):
            message = rewritten(due.frame.data, rule)
        yield Out(due, message, rule)
        if rule is not None and rule.twice:
            yield Out(due, message)
        for held in [held for held in self._held if held.behind and held.due.topic == due.topic]:
            held.behind -= 1
            if not held.behind:
                self._held.remove(held)
                yield Out(held.due)

    def late(self, now_ms: int) -> Iterator[Out]:
        """Frames that were to come later, and now is later."""
        for held in [held for held in self._held if not held.behind and held.until_ms <= now_ms]:
            self._held.remove(held)
            yield Out(held.due)
