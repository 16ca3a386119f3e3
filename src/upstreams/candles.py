"""What candles of all upstreams have in common: the last closed bar of each symbol live, pages of the past.

An upstream's own module says how its intervals are spelled, which call gives bars, and what its rows hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from cryptoproxy.datasets import CANDLE, Candle, Dataset, from_iso, iso
from cryptoproxy.datasets.candle import STEPS, end_of
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.bars import CLOSED_AFTER_MS, Bars
from cryptoproxy.upstreams.base import Answer, Call, IncompleteError, Poll, SymbolList
from cryptoproxy.upstreams.gathering import Doubt, usable_id
from cryptoproxy.upstreams.history import Page, Start
from cryptoproxy.upstreams.quotes import Quotes

SHORTEST_MONTH_MS = 28 * DAY_MS


class Candles(ABC):
    """The bars of one interval of one market, ``binance.candle-1m``.

    Live: a slot is the moment at which bars end. Its calls are sent 3 s later, one for each symbol, and each gives the
    last bar that is closed. Bars of more than a day are asked for each day, so that a day that is missed costs nothing:
    what is delivered twice has one id.

    Args:
        source: the records' ``source``.
        upstream: whose budget it is.
        interval: in our spelling.
        symbols: those to poll; a walk through the past may name others.

    Raises:
        SettingsError: an interval that this upstream does not have, a symbol that nobody can have.
    """

    dataset: Dataset[Any] = CANDLE
    intervals: ClassVar[Mapping[str, str]]
    """Ours → theirs."""
    delay_ms = CLOSED_AFTER_MS
    """How long after a slot its calls are sent."""
    before = 0
    """So many calls of a slot are no symbol's, and come before the others."""

    def __init__(
        self,
        *,
        source: str,
        upstream: str,
        interval: str,
        symbols: Sequence[str],
        quotes: Quotes | str,
        symbol_list: SymbolList | None,
    ) -> None:
        faults = [
            f"{source} has no symbol {each!r}" for each in symbols if not usable_id(each) or not each.isprintable()
        ]
        if interval not in self.intervals:
            faults.append(f"{source} has no candles of {interval!r}, but of {', '.join(self.intervals)}")
        if faults:
            raise SettingsError(faults)
        self.source = source
        self.upstream = upstream
        self.interval = interval
        self.name = f"{source}.{CANDLE.name}-{interval}"
        self.symbols = tuple(dict.fromkeys(symbols))
        self.symbol_list = symbol_list
        self._quotes = quotes
        self._doubt = Doubt()
        self._close_ms = 0

    @property
    def step_ms(self) -> int:
        return STEPS.get(self.interval, SHORTEST_MONTH_MS)

    @property
    def slot_step_ms(self) -> int:
        """How far two slots are apart."""
        return min(self.step_ms, DAY_MS)

    @property
    def expected(self) -> int:
        return len(self.symbols)

    # --- what an upstream's module tells

    @abstractmethod
    def _call(self, symbol: str, span: Span | None, *, now_ms: int) -> Call:
        """Asks for the bars that begin in ``span``; without one for the newest two."""

    @abstractmethod
    def _take(self, body: bytes, symbol: str, name: str, bars: Bars) -> list[int]:
        """Reads a body into ``bars``; the begin of each bar in it that has one.

        Raises:
            TransientError: not what the upstream speaks, or about something else.
        """

    @abstractmethod
    def _is_unknown(self, body: bytes) -> bool:
        """Whether the upstream says that it does not know the symbol."""

    @abstractmethod
    def _refused(self, answer: Answer, *, now_ms: int) -> None:
        """As :meth:`Source.check`, of any answer but that."""

    def used(self, answer: Answer) -> int | None:
        return None

    # --- live

    def calls(self, slot_ms: int) -> Sequence[Call]:
        """One for each symbol. ``slot_ms``: when the bars ended."""
        self._close_ms = slot_ms
        span = None if self.step_ms > DAY_MS else Span(slot_ms - self.step_ms, slot_ms)
        return [self._call(symbol, span, now_ms=slot_ms + self.delay_ms) for symbol in self.symbols]

    def check(self, answer: Answer, *, now_ms: int) -> None:
        """An unknown symbol is that symbol's matter: it is told where the poll is read.

        Raises:
            TransientError: by the upstream's clock it is too early: our own one is ahead.
        """
        if self._is_unknown(answer.body):
            return
        self._refused(answer, now_ms=now_ms)
        if self._close_ms and time_of(answer, now_ms=now_ms) < self._close_ms + CLOSED_AFTER_MS:
            raise TransientError(
                f"by {self.upstream}'s clock the bars that ended at {iso(self._close_ms)} are not 3 s over yet"
            )

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """The last closed bar of each symbol.

        Raises:
            IncompleteError: a symbol has none, for the first time; it is asked for again.
            TransientError: a body is not what the upstream speaks, or no symbol has one.
        """
        gathered = Bars(self.source, self.interval, time_ms=fetched_at_ms, fetched_at_ms=fetched_at_ms)
        called = self._called(bodies[: self.before])
        records: list[Any] = []
        lacking: list[int] = []
        for number, symbol in enumerate(self.symbols):
            body = bodies[self.before + number]
            if self._is_unknown(body):
                gathered.reject("absent", symbol, f"{self.upstream} does not know it")
                continue
            gathered.records = []
            self._take(body, symbol, called.get(symbol, symbol), gathered)
            if newest := self._newest(gathered.records, slot_ms):
                records.append(newest)
            elif not any(row.asset_id == symbol for row in gathered.rejected):
                lacking.append(number)
        if lacking and not self._doubt.believes(tuple(lacking)):
            raise IncompleteError(
                f"{self.name}: {len(lacking)} symbols have no bar that ended at {iso(slot_ms)}",
                pages=[self.before + number for number in lacking],
            )
        for number in lacking:
            gathered.reject("absent", self.symbols[number], f"no bar that ended at {iso(slot_ms)}, twice")
        if not records:
            told = "; ".join(f"{row.asset_id}: {row.detail}" for row in gathered.rejected[:3])
            raise TransientError(f"{self.name}: not a single record: {told}"[:1000])
        return Poll(records, gathered.rejected)

    def _newest(self, found: Sequence[Candle], slot_ms: int) -> Candle | None:
        """Of bars of up to a day the one that ended now; of longer ones the last that has ended."""
        ended = [each for each in found if end_of(each.timestamp, self.interval) <= slot_ms]
        newest = max(ended, key=lambda each: each.timestamp, default=None)
        if newest and self.step_ms <= DAY_MS and end_of(newest.timestamp, self.interval) <= slot_ms - self.step_ms:
            return None
        return newest

    def _called(self, bodies: Sequence[bytes]) -> Mapping[str, str]:
        """What people call the symbols, where they have another name: told by the calls ``before``."""
        return {}

    def _quote_of(self, symbol: str, bars: Bars) -> str | None:
        """None, and rejected, while nothing tells it."""
        told = self._quotes if isinstance(self._quotes, str) else self._quotes.of(symbol)
        if told is None:
            bars.reject("no_quote", symbol, "its quote currency is told when the list of symbols is read anew")
        return told

    # --- the past

    def reach_ms(self, now_ms: int) -> int:
        return 0

    def last_ms(self, now_ms: int) -> int:
        """Of a month the shortest one is meant: the open one may be asked for, too, and is no record."""
        return now_ms - CLOSED_AFTER_MS - self.step_ms

    def next_ms(self, begin_ms: int) -> int:
        return end_of(iso(begin_ms), self.interval)

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        self._close_ms = 0
        return self._call(symbol, span, now_ms=now_ms)

    def page(self, symbol: str, start: Start, span: Span, answer: Answer, *, now_ms: int) -> Page:
        bars = Bars(self.source, self.interval, time_ms=time_of(answer, now_ms=now_ms), fetched_at_ms=now_ms)
        begins = [] if self._is_unknown(answer.body) else self._take(answer.body, symbol, start.symbol or symbol, bars)
        if any(row.reason == "no_quote" for row in bars.rejected):
            raise TransientError(f"{self.name}: {bars.rejected[0].detail}")
        within = sorted({each for each in begins if each in span})
        if begins and max(begins) < span.begin_ms:
            raise TransientError(
                f"not what {self.upstream} speaks: asked for bars of {symbol} from {iso(span.begin_ms)} on, it "
                f"answered with {len(begins)} up to {iso(max(begins))}"
            )
        if bars.rejected and not within and all(row.reason in ("bad_row", "bad_time") for row in bars.rejected):
            raise TransientError(f"not what {self.upstream} speaks: {bars.rejected[0].detail}")
        records = sorted(
            (each for each in bars.records if from_iso(each.timestamp) in span), key=lambda each: each.timestamp
        )
        return Page(records, bars.rejected, within, self._covered(span, within))

    def _covered(self, span: Span, begins: Sequence[int]) -> int:
        """Up to where a page with these begins tells of ``span``, of which it may hold the oldest bars alone."""
        if not begins or end_of(iso(begins[-1]), self.interval) >= span.end_ms:
            return span.end_ms
        return begins[-1] + 1


def time_of(answer: Answer, *, now_ms: int) -> int:
    """What the upstream's clock showed at most when it answered, which is at most our own time: its ``Date`` is cut to
    whole seconds."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
        return min(now_ms, round(date.timestamp() * 1000) + 999)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now_ms
