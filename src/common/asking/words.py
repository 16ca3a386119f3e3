"""What is asked and answered at the poller's door, and where it is: values and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from cryptoproxy.errors import TransientError

DOOR = "door"
"""The key of the state topic under which the active poller tells where it is asked."""
ASK_PATH = "/ask"
MAX_QUESTION_BYTES = 64 * 1024
HISTORY, READ_THROUGH = "history", "read-through"
"""Priorities, the first before the second; live polls are before both."""

STATUS, FETCHED, HEADERS = "X-Upstream-Status", "X-Fetched-At", "X-Upstream-Headers"
FETCHED_AT = "fetched_at"
"""Of the headers of a record on the topic of answers: when it had come, epoch ms."""
EVERY_MS = "every_ms"
"""Beside it: how far apart the polls are that ask for it."""

_KEYS = frozenset(
    {"x_cg_demo_api_key", "x_cg_pro_api_key", "apikey", "api_key", "signature", "timestamp", "recvwindow"}
)
"""Parameters that are somebody's own: never part of a question, in any spelling of their case."""


class Question(NamedTuple):
    """One GET of market data, as everybody spells it: parameters sorted, no keys, no slash at either end."""

    upstream: str
    path: str
    """Below the upstream's address: ``coins/markets``, ``api/v3/klines``, ``v5/market/tickers``. Decoded."""
    params: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, upstream: str, path: str, params: Mapping[str, str]) -> Question:
        mine = sorted((name, str(value)) for name, value in params.items() if name.lower() not in _KEYS)
        return cls(upstream, path.strip("/"), tuple(mine))

    @classmethod
    def from_key(cls, key: str) -> Question:
        """The reverse of :attr:`key`."""
        place, _, query = key.partition("?")
        upstream, _, path = place.partition("/")
        return cls(upstream, unquote(path), tuple(parse_qsl(query, keep_blank_values=True)))

    @property
    def key(self) -> str:
        """``binance/api/v3/klines?interval=1m&symbol=BTCUSDT``: of the topic of answers, of caches."""
        query = urlencode(self.params)
        return f"{self.upstream}/{quote(self.path)}{'?' if query else ''}{query}"


class Replied(NamedTuple):
    """What the upstream answered, a refusal of this very question (an unknown symbol) included."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; those that say something of the body."""
    body: bytes
    fetched_at_ms: int


class AskError(TransientError):
    """There is no answer now. ``reason`` is a metric label."""

    reason: ClassVar[str]
    status: ClassVar[int]
    """By which the door tells it."""


class NoBudgetError(AskError):
    """Nothing may be asked for ``retry_after`` seconds: what is allowed is used by those who come first, or the
    upstream wants to be left alone."""

    reason, status = "budget", 429


class UpstreamFailedError(AskError):
    """It did not answer, or nothing that it speaks."""

    reason, status = "failed", 502


class NoPollerError(AskError):
    """No poller is active, or not where it was a moment ago."""

    reason, status = "no_poller", 421


class NotAllowedError(AskError):
    """The path is none that is asked for others, or who asks is not known here: no waiting mends it."""

    reason, status = "not_allowed", 403


ERRORS: Mapping[int, type[AskError]] = {
    each.status: each for each in (NoBudgetError, UpstreamFailedError, NoPollerError, NotAllowedError)
}


class Where(msgspec.Struct, frozen=True):
    """Where the active poller is asked. A poller that has lost its lease without knowing may say it after its
    successor; whose ``epoch`` is higher is right."""

    url: str
    epoch: int


class AskBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a POST to the door."""

    upstream: str
    path: str
    params: dict[str, str]
    priority: str = READ_THROUGH
    seconds: float = 10.0
    """For all of it, the wait for the budget included."""

    @property
    def question(self) -> Question:
        return Question.of(self.upstream, self.path, self.params)


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of the door's answer where there is none of the upstream."""

    reason: str
    message: str
    seconds: float | None = None
