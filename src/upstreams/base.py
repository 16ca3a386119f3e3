"""The seam: what every upstream gives. What it allows, which calls make a poll, what an answer means, its records.

All of it is pure: a source builds calls and reads answers. Sending, budget, retries and time belong to the poller.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptoproxy.datasets import Feed
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.answers.quotes import Quotes

if TYPE_CHECKING:
    from cryptoproxy.upstreams.asked import Askable
    from cryptoproxy.upstreams.history import History
    from cryptoproxy.upstreams.streaming.stream import Stream


@dataclass(frozen=True, slots=True)
class Call:
    """One GET request. ``headers`` may hold an API key and are never logged."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cost: int = 1
    """In the upstream's own unit: calls at CoinGecko and Bybit, weight at Binance."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Header names are lower case; ``body`` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    """From the request to its last byte: its ``Date`` was written somewhere in between."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is no record. ``reason`` is a metric label, ``detail`` is for the log."""

    reason: str
    asset_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Poll:
    """All that one poll of one source gave: the records of a slot, and the rows that are none."""

    records: Sequence[AnyRecord]
    """Of the source's dataset and part; their times may lie before the slot."""
    rejected: list[Rejected]


class RefusedError(TransientError):
    """The upstream wants to be left alone: nothing at all may be sent to it for ``retry_after`` seconds, and for longer
    with each refusal in a row, ``least`` times 2, 4, 8 … (:meth:`producer.budget.Budget.ban`)."""

    def __init__(self, message: str, *, retry_after: float, least: float = 60.0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after: float = retry_after
        self.least = least


class BannedError(RefusedError):
    """A ban, a gate, or a refusal that does not say for how long: the slot is not tried again, so that one who is
    refused never asks more often than one who is served."""


class CutError(TransientError):
    """A 200 that did not come whole. ``had`` is what came, which may still be a refusal."""

    def __init__(self, message: str, *, had: Response) -> None:
        super().__init__(message)
        self.had = had


class IncompleteError(TransientError):
    """Some answers of a poll lack what was asked for. Only these, ``pages``, are asked for again."""

    def __init__(self, message: str, *, pages: Sequence[int]) -> None:
        super().__init__(message)
        self.pages = tuple(pages)


class RephrasedError(TransientError):
    """Refused for what was asked. The source asks in another way from now on, so it is worth asking at once."""


class SymbolList(ABC):
    """An exchange's own list of what it trades, which tells the quote currency. Asked for once a day, and when a
    symbol comes up that nothing tells."""

    def __init__(self, upstream: str, quotes: Quotes) -> None:
        self.quotes = quotes
        self.rejected: Sequence[Rejected] = ()
        """The rows of the last list that could not be read."""
        self.listed: frozenset[str] = frozenset()
        """The symbols of the last list."""
        self._upstream = upstream

    @abstractmethod
    def next_call(self, previous: bytes | None) -> Call | None:
        """The first call (``previous`` is None), then the next page after ``previous``; None when that was all.

        Raises:
            TransientError: ``previous`` is no such page, or the pages do not end.
        """

    @abstractmethod
    def _quotes_in(self, body: bytes) -> tuple[Mapping[str, str], Sequence[Rejected]]:
        """The quote of each symbol in a page, and the rows that are none."""

    def load(self, bodies: Sequence[bytes]) -> int:
        """Takes over a whole list; returns how many symbols it knows.

        Raises:
            TransientError: the bodies are not such a list.
        """
        listed: dict[str, str] = {}
        rejected: list[Rejected] = []
        for body in bodies:
            found, odd = self._quotes_in(body)
            listed.update(found)
            rejected += odd
        known = self.quotes.learn(listed)
        if not known:
            raise TransientError(f"{self._upstream}'s list of symbols is empty")
        self.rejected = rejected
        self.listed = frozenset(listed)
        return known


class Source(Protocol):
    """What is polled as one: one dataset, or one part of it, of one market of one upstream."""

    @property
    def feed(self) -> Feed:
        """Its records' ``source``, dataset and part: its line in the upstream's table."""

    @property
    def upstream(self) -> str:
        """Whose budget the calls count in: ``coingecko``, ``binance``, ``bybit``."""

    @property
    def symbol_list(self) -> SymbolList | None:
        """None where the source tells the quote currency by itself."""

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        """The calls of one poll, in order. A poll is all their answers or nothing.

        Args:
            turn: the number of the slot among those of the feed, where polls differ; without, as many calls as the
                largest poll has, for who plans.

        Raises:
            OperatorError: they need a key and there is none to send.
            TransientError: what this poll asks for is not known yet.
        """

    def check(self, answer: Response, *, now_ms: int) -> None:
        """Returns if the answer is the one asked for.

        Raises:
            RefusedError, BannedError: nothing may be sent for a while (429, bans, gates).
            TransientError: may work if tried again (5xx, an answer that is not what the upstream speaks).
            OperatorError: a wrong key, plan or address: only a person can mend it.
        """

    @property
    def expected(self) -> int:
        """How many records a poll will have, roughly, while none was made yet."""

    def used(self, answer: Response) -> int | None:
        """What the upstream says we have used of its budget in its window, where it says so."""

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """The records in the answers to :meth:`calls`, in order, each id once.

        Args:
            slot_ms: what was planned: of tickers the records' time; of candles 3 s after the end of the bar that is
                asked for.

        Raises:
            IncompleteError: an answer is empty or short where it should not be. What lacks twice is believed, but
                for a gap in the middle, and rejected as ``short``.
            TransientError: a body is not what the upstream speaks (cut, garbage, another shape), or not a single
                row is a record: that would be an empty success.
        """


MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``amount`` in ``window``: ``minute`` and ``5s`` roll, ``month`` is the calendar's in UTC."""

    window: str
    amount: int
    setting: str
    """What a person changes to allow more, or less."""
    slow_above: float = 1.0
    """Above this share of the amount, what is left is spread over the window."""

    @property
    def calm(self) -> int:
        """Up to here nothing is slowed down."""
        return int(self.amount * self.slow_above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of one upstream; none in a window means that it is free there."""

    upstream: str
    unit: str
    interval_setting: str
    limits: tuple[Limit, ...] = ()

    @property
    def rolling(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.window != MONTH)

    @property
    def month(self) -> Limit | None:
        return next((limit for limit in self.limits if limit.window == MONTH), None)

    def require_possible(self, cost: int, what: str) -> None:
        """Raises:
        OperatorError: no window ever holds the ``cost`` of ``what``.
        """
        for limit in self.limits:
            if cost > limit.amount:
                raise OperatorError(
                    f"{what} costs {cost} {self.unit}, {limit.setting} allows {limit.amount} per {limit.window}",
                    remedy=f"Raise {limit.setting}, or ask for less",
                )


def in_force(*limits: Limit) -> tuple[Limit, ...]:
    """Those that limit anything: an amount of 0 is set where there is no limit."""
    return tuple(limit for limit in limits if limit.amount > 0)


class Priority(enum.IntEnum):
    """Who goes first where an upstream's budget is short. What comes later takes only what those before it leave,
    whatever they need by their plan."""

    TICKERS = 0
    LIVE = 1
    """Of other datasets."""
    HISTORY = 2
    READ_THROUGH = 3
    """What our other processes ask for somebody who waits: a share of what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How one feed is polled."""

    make: Callable[[], Source]
    """One that is not polled is not made: what it needs may not be set."""
    interval: float
    """Seconds between polls, as wanted."""
    offset: float = 0.0
    """Slots begin so many seconds after each multiple of the interval: a bar is closed 3 s after its end."""
    at_once: Callable[[], Source] | None = None
    """Where a poll asks for a part of what is told: one that asks for all of it."""
    fixed: bool = False
    """Whether each slot must be polled, since none brings what another one left out. Such an interval is never
    stretched: what does not fit into the budget is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One upstream as the settings have it: its limits once, and a line for each feed."""

    limits: Limits
    feeds: Mapping[Feed, Polling]
    histories: Mapping[Feed, Callable[[], History]] = field(default_factory=dict)
    """What makes the past of a feed, where it has one. It may have one and not be polled."""
    streams: Mapping[Feed, Callable[[], Stream]] = field(default_factory=dict)
    """What makes the stream of a feed, where it has one."""
    asked: Askable | None = None
    """What others may ask it through the poller."""
