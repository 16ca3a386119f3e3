"""The seam for an upstream: what one gets, what it gives, how much it allows, and what all of them have in common.

Another one is a folder and a line in ``app``. How a limit counts is here, in the units of the real ones; all callers
are one IP.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, runtime_checkable

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.rules.rewrites import HTML
from cryptoproxy.sandbox.streams.capture import Capture
from cryptoproxy.sandbox.streams.session import Chosen, Session
from cryptoproxy.sandbox.wire import Header, Request, Response
from cryptoproxy.sandbox.world.market import SeededMarket

P = ParamSpec("P")

CAPTCHA = b"<!DOCTYPE html>\n<html><head><title>Human Verification</title></head><body></body></html>\n"
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInLimits:
    """None switches a limit off. The defaults are the documented ones, except CoinGecko's, which is off."""

    coingecko_calls_per_minute: int | None = None
    coingecko_retry_after_s: int | None = None
    """None: until the minute is over (119 s was seen)."""
    coingecko_cache_s: int = 0
    """The same question within so many seconds gets the same answer, with ``Age``; really 20 to 60."""
    binance_weight_per_minute: int | None = 6000
    binance_calls_until_ban: int = 10
    """Calls after the first 429 that turn it into a ban."""
    binance_ban_s: int = 120
    """The first ban; each further one is twice as long, up to three days."""
    bybit_calls_per_5s: int | None = 600
    bybit_ban_s: int = 600
    bybit_visits_per_second: int | None = None
    """Over it: HTTP 200 with retCode 10006, as per-account limits answer."""

    # --- WebSockets
    binance_connects_per_5m: int | None = 300
    binance_messages_per_second: int | None = 5
    """That a client sends, pings and pongs too; over it the connection ends."""
    binance_topics: int = 1024
    """Of one connection."""
    binance_ping_s: float = 20
    binance_pong_s: float = 60
    """Without an answer to a ping for so long the connection ends."""
    binance_life_s: float | None = 86_400
    bybit_connects_per_5m: int | None = 500
    bybit_idle_s: float | None = 600
    bybit_ack_ms: int = 30
    """An acknowledgement of a subscription comes so much later, and data before it."""


class Hidden:
    """Trades that a rule has taken out of the world, by the name of their pair: neither streams nor REST have them."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def add(self, name: str, first: int, last: int) -> None:
        """Both numbers included."""
        self._ranges.setdefault(name, []).append((first, last))

    def of(self, name: str) -> Callable[[int], bool]:
        """Whether a number of that pair is one of them."""
        ranges = tuple(self._ranges.get(name, ()))
        return lambda number: any(first <= number <= last for first, last in ranges)


@dataclass(frozen=True, slots=True)
class Setup:
    """What every upstream is built from."""

    market: SeededMarket
    clock: Clock
    limits: StandInLimits = field(default_factory=StandInLimits)
    keys: Mapping[str, str] = field(default_factory=dict)
    """API keys by plan (``demo``, ``pro``) where they are checked."""
    hidden: Hidden = field(default_factory=Hidden)
    captures: Mapping[str, Capture] = field(default_factory=dict)
    """Recorded streams by upstream: these topics are told from there."""


class Upstream(Protocol):
    """One API. Paths come without the prefix under which the sandbox serves it."""

    @property
    def base(self) -> str:
        """What the usual base address of a client has after the host."""

    @property
    def polled(self) -> str:
        """The path that pollers ask again and again: where replayed bodies go if they do not tell their own."""

    @property
    def marks(self) -> Mapping[bytes, str]:
        """A piece of a body that tells the path which it answers, where that is not ``polled``."""

    def answer(self, request: Request) -> Response: ...

    def error(self, status: int) -> Response:
        """What this API says with that status."""

    def headers(self) -> tuple[Header, ...]:
        """Those of every good answer, ``Date`` among them."""


@runtime_checkable
class Streaming(Upstream, Protocol):
    """One that also speaks over WebSockets."""

    def handshake(self, request: Request) -> Response:
        """101 where :meth:`session` may follow, else a refusal."""

    def session(self, request: Request, chosen: Chosen) -> Session: ...


class Refusal(Exception):  # noqa: N818 - what a client is told, not a fault of ours
    """Answered with this status and body."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class Minute:
    """A count that starts anew with each window of the clock, as Binance and CoinGecko count."""

    def __init__(self, seconds: int = 60) -> None:
        self._ms = seconds * 1000
        self._window = -1
        self._used = 0
        self._lock = threading.Lock()

    def use(self, now_ms: int, amount: int = 1) -> int:
        """What is used in this window, with this."""
        with self._lock:
            if now_ms // self._ms != self._window:
                self._window, self._used = now_ms // self._ms, 0
            self._used += amount
            return self._used

    def left_s(self, now_ms: int) -> int:
        """Whole seconds until the next window, at least 1."""
        return -(-(self._ms - now_ms % self._ms) // 1000)


class Sliding:
    """How many calls in the last seconds, as Bybit counts."""

    def __init__(self, seconds: int) -> None:
        self._ms = seconds * 1000
        self._calls: deque[int] = deque()
        self._lock = threading.Lock()

    def use(self, now_ms: int) -> int:
        with self._lock:
            while self._calls and self._calls[0] <= now_ms - self._ms:
                self._calls.popleft()
            self._calls.append(now_ms)
            return len(self._calls)


class Rows:
    """Rows of an answer as bytes, each made anew only when what it is made of has changed."""

    def __init__(self, most: int = 1 << 14) -> None:
        self._most = most
        self._made: dict[Hashable, tuple[object, bytes]] = {}

    def row(
        self, key: Hashable, version: object, make: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> bytes:
        """The row of that key. Of another version than before ``make`` makes it anew: bytes, or what is dumped."""
        known = self._made.get(key)
        if known is None or known[0] != version:
            if len(self._made) >= self._most:
                self._made.clear()
            known = self._made[key] = version, dump(make(*args, **kwargs))
        return known[1]


def before_the_api(status: int, date: Header, *, pages: bool, more: tuple[Header, ...] = ()) -> Response | None:
    """What answers with this status before the API is reached, None where it is the API itself.

    A web application firewall: with 202 a challenge for browsers, empty for others, with 405 a captcha. Else a
    content delivery network with its error page, where ``pages``.
    """
    html = ("Content-Type", "text/html")
    if status in (202, 405):
        action, body = ("challenge", b"") if status == 202 else ("captcha", CAPTCHA)
        return Response(status, (date, html, ("x-amzn-waf-action", action)), body)
    return Response(status, (date, html, *more), HTML) if pages else None


def dump(value: object) -> bytes:
    """JSON as these APIs write it: no blanks, non-ASCII as it is, floats like Ruby's and Java's (``5.569e-05``).
    Bytes are JSON already."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
