"""Rules for WebSockets: a :class:`StreamRule` says which frames or subscriptions go wrong, and how. Pure.

StreamRule(topic="btcusdt@aggTrade", nth=100, hole=5)
StreamRule(topic="kline_1m", frame='"x":true', late=4.0)
StreamRule(topic="publicTrade", probability=0.01, twice=True)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cryptoproxy.sandbox.rules.rewrites import crossed
from cryptoproxy.sandbox.rules.turns import RuleError, Turns, at_least, check_pattern

SUBSCRIBING = ("refuse", "ignore")
# fmt: off
EFFECTS = (
    *SUBSCRIBING, "hole", "everywhere", "twice", "behind", "late", "rewrite", "body",
    "cut", "reset", "close", "half_open", "stall", "drip", "shutdown", "late_close",
)
# fmt: on
"""In the order in which a label names them."""


class Sending(NamedTuple):
    """A frame before it is sent, or with ``message`` None a subscription."""

    target: str
    topic: str
    message: bytes | None
    new: bool = True
    """No other connection has come to its number before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule(Turns):
    """Which frames, and what happens to them or to their connection. Times are seconds of the sandbox's clock.

    Frames are counted over all connections. One without an effect lets its frames pass: it can count.
    """

    topic: str
    """Regular expression, searched in the topic."""
    path: str | None = None
    """The same, in the address of the connection as sent."""
    frame: str | None = None
    """The same, in the frame's text."""

    # --- a subscription (these rules count subscriptions, not frames)
    refuse: bool = False
    """Answered as one to a topic that is not known."""
    ignore: bool = False
    """Acknowledged, and silent."""

    # --- a frame
    hole: int | None = None
    """So many numbers of this topic, from this frame's on, are never sent to anybody. A number counts once, however
    many connections come to it."""
    everywhere: bool = False
    """With ``hole``: REST does not have them either."""
    twice: bool = False
    behind: int | None = None
    """It comes after so many later frames of its topic."""
    late: float | None = None
    rewrite: str | None = None
    """The name of one of ``FRAME_REWRITES``."""
    body: str | None = None

    # --- the connection, from this frame on
    cut: int | None = None
    """Ends without a close, after so many bytes of this frame."""
    reset: bool = False
    """With ``cut``: by RST instead of FIN."""
    close: int | None = None
    """Ends by a close with this code."""
    half_open: bool = False
    """Nothing is sent any more, no pong and no close either; nothing says so."""
    stall: float | None = None
    """No data for so long, though pings are answered; then all of it at once."""
    drip: int | None = None
    """Bytes per second, as over a bad line; what is left waiting makes a slow reader of the client in the end."""
    shutdown: float | None = None
    """Announces its end where the upstream does that, and closes after so long."""
    late_close: float | None = None
    """A close of the client is answered so much later."""

    def __post_init__(self) -> None:
        self.check_turns()
        for name in ("hole", "behind", "drip"):
            at_least(name, getattr(self, name), 1)
        for name in ("late", "cut", "stall", "shutdown", "late_close"):
            at_least(name, getattr(self, name), 0)
        for name in ("topic", "path", "frame"):
            check_pattern(name, getattr(self, name))
        if self.rewrite is not None and self.rewrite not in FRAME_REWRITES:
            raise RuleError(f"rewrite: unknown name {self.rewrite!r}; there are {', '.join(FRAME_REWRITES)}")
        if self.everywhere and self.hole is None:
            raise RuleError("everywhere: only with hole")
        if self.reset and self.cut is None:
            raise RuleError("reset: only with cut")
        if self.close is not None and not (1000 <= self.close <= 1014 or 3000 <= self.close <= 4999):
            raise RuleError(f"close: no code that can be sent: {self.close}")

    @property
    def label(self) -> str:
        """The name, else what it does: ``hole+everywhere``."""
        return self.name or "+".join(name for name in EFFECTS if name in self.given()) or "pass"

    def matches(self, sending: Sending) -> bool:
        subscribing = self.refuse or self.ignore
        return (
            subscribing == (sending.message is None)
            and (self.hole is None or sending.new)
            and re.search(self.topic, sending.topic) is not None
            and (self.path is None or re.search(self.path, sending.target) is not None)
            and (self.frame is None or re.search(self.frame.encode(), sending.message or b"") is not None)
        )


def garbage(message: bytes) -> bytes:
    """Text that is no JSON."""
    return b"\xc2\xbf" + message[: len(message) // 3] + b"}{"


def half(message: bytes) -> bytes:
    """A whole frame, half a document."""
    return message[: len(message) // 2]


FRAME_REWRITES: Mapping[str, Callable[[bytes], bytes]] = {f.__name__: f for f in (garbage, half, crossed)}


def rewritten(message: bytes, rule: StreamRule) -> bytes:
    if rule.body is not None:
        return rule.body.encode()
    return message if rule.rewrite is None else FRAME_REWRITES[rule.rewrite](message)
