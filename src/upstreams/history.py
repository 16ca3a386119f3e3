"""The seam of the past: what an upstream gives of one series, and how a walk through it asks and reads.

A series is one symbol of a feed (``binance.candle-1d`` of ``BTCUSDT``). A walk asks for a span of
begins, takes the records of the page that comes, and goes on where the page says. All of it is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptoproxy.datasets import Feed
from cryptoproxy.datasets.times import Span
from cryptoproxy.upstreams.base import Call, Rejected, Response, SymbolList


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer told of a span."""

    records: list[Any]
    """Oldest first, each once."""
    rejected: list[Rejected] = field(default_factory=list)
    begins: Sequence[int] = ()
    """Of each bar or point that is there, also of those that are no record or not over; in order."""
    covered_ms: int = 0
    """All that begins before is told by this answer; the next one is asked for from here on."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be known of a symbol before its walk."""

    begin_ms: int | None
    """Nothing of it begins before; 0 where that is not told, None where the upstream has nothing of it at all."""
    within_ms: int = 0
    """Its first bar begins at most so much later."""
    symbol: str = ""
    name: str = ""
    """What people call it, where the pages do not say."""


class History(Protocol):
    """The past of one source, dataset and part."""

    @property
    def feed(self) -> Feed:
        """Its records' ``source``, dataset and part."""

    @property
    def upstream(self) -> str:
        """Whose budget it is."""

    @property
    def symbols(self) -> Sequence[str]:
        """Those of the settings."""

    @property
    def symbol_list(self) -> SymbolList | None:
        """As :attr:`Source.symbol_list`."""

    @property
    def step_ms(self) -> int:
        """At least so far are two of its records apart: what lacks and is shorter is no hole."""

    def spelled(self, symbol: str) -> str:
        """A symbol as the upstream spells it, of one that a person has typed."""

    def reach_ms(self, now_ms: int) -> int:
        """Nothing that begins before is given to us, whatever there was."""

    def last_ms(self, now_ms: int) -> int:
        """What begins after this is not over yet."""

    def next_ms(self, begin_ms: int) -> int:
        """When the record after the one that begins there is due."""

    def page_ms(self, now_ms: int) -> int:
        """So long a span fits into one page, for a guess at the number of calls."""

    def used(self, answer: Response) -> int | None:
        """As :meth:`Source.used`."""

    def start_call(self, symbol: str) -> Call:
        """Asks for what :meth:`start` reads."""

    def start(self, symbol: str, answer: Response) -> Start:
        """Raises:
        TransientError: not what the upstream speaks.
        """

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        """Asks for what begins in ``span``, or the first of it."""

    def check(self, answer: Response, *, now_ms: int) -> None:
        """As :meth:`Source.check`."""

    def page(self, symbol: str, start: Start, span: Span, answer: Response, *, now_ms: int) -> Page:
        """The records in the answer to :meth:`call`.

        Args:
            now_ms: when it had come.

        Raises:
            TransientError: a body that is not what the upstream speaks, or cannot be an answer to this.
        """
