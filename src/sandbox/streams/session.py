"""The seam for an upstream that streams: what one connection understands, answers, and has subscribed to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptoproxy.sandbox.streams.feed import Feed


class Reply(NamedTuple):
    """What a connection is told because it has said something; ``after_ms`` by the wall, not by the world's clock."""

    message: bytes
    after_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Heartbeats and ends, in seconds; None: never."""

    ping_s: float | None = None
    """The server pings so often."""
    pong_s: float = 60
    """And ends a connection that has not answered for so long."""
    idle_s: float | None = None
    """Ends one that has said nothing for so long."""
    life_s: float | None = None
    messages_per_second: int | None = None
    """Of what a client sends, pings and pongs too."""


Chosen = Callable[[str], str]
"""What a rule says of a subscription to a topic: ``refuse``, ``ignore`` or nothing."""


class Session(ABC):
    """One connection as its upstream sees it. ``feeds`` are those it has now, by topic."""

    habits: Habits

    def __init__(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self.feeds: dict[str, Feed] = {}

    @abstractmethod
    def hear(self, message: bytes) -> list[Reply]:
        """What a client said; :attr:`feeds` may be others after it."""

    def wrapped(self, topic: str, data: bytes) -> bytes:
        """A frame's data as this connection gets it."""
        return data

    @abstractmethod
    def hide(self, topic: str, first: int, last: int) -> None:
        """Takes these numbers of a topic out of what REST has, where it has them."""

    def farewell(self, now_ms: int) -> bytes | None:
        """What is said before a planned end, where anything is."""
        return None
