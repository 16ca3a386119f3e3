"""What candles of all upstreams have in common: the last closed bar of each symbol live, pages of the past.

An upstream's own module says how its intervals are spelled, which call gives bars, and what its rows hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from cryptoproxy.datasets import CANDLE, Candle, Feed, from_iso, iso, slot_of
from cryptoproxy.datasets.contracts.candle import STEPS, end_of
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.answers.bars import CLOSED_AFTER_MS, BarGathering, same
from cryptoproxy.upstreams.answers.gathering import Doubt, reasons_of, usable_id
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.base import Call, IncompleteError, Poll, Polling, Rejected, Response, SymbolList
from cryptoproxy.upstreams.history import Page, Start

SHORTEST_MONTH_MS = 28 * DAY_MS


class Candles(ABC):
    """The bars of one interval of one market, ``binance.candle-1m``.

    Live: a slot is 3 s after the moment at which bars end. It has a call for each symbol, which gives the newest bars;
    the one that has just ended counts. Bars of more than a day are asked for each day, so that a day that is missed
    costs nothing: what is delivered twice has one id.

    Args:
        source: the records' ``source``.
        upstream: whose budget it is.
        interval: in our spelling.
        symbols: those to poll; a walk through the past may name others.

    Raises:
        SettingsError: an interval that this upstream does not have, a symbol that nobody can have.
    """

    intervals: ClassVar[Mapping[str, str]]
    """Ours → theirs."""
    delay_ms = CLOSED_AFTER_MS
    """How long after the end of a bar its slot is."""
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
        self.feed = Feed(source, CANDLE.name, interval)
        self.upstream = upstream
        self.interval = interval
        self.symbols = tuple(dict.fromkeys(symbols))
        self.symbol_list = symbol_list
        self._quotes = quotes
        self._doubt = Doubt()
        self._live = False
        self._kept: dict[str, Candle] = {}
        """The last bar of each symbol that was polled."""

    @property
    def step_ms(self) -> int:
        return STEPS.get(self.interval, SHORTEST_MONTH_MS)

    @property
    def newest(self) -> int:
        """So many of the newest bars hold the one that has ended when its slot began, and the open one."""
        return 2 - (-self.delay_ms // self.step_ms)

    @property
    def expected(self) -> int:
        return len(self.symbols)

    # --- what an upstream's module tells

    @abstractmethod
    def _newest(self, symbol: str) -> Call:
        """Asks for the :attr:`newest` bars."""

    @abstractmethod
    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        """Asks for the bars that begin in ``span``, or the oldest of them."""

    @abstractmethod
    def page_ms(self, now_ms: int) -> int:
        """As :meth:`History.page_ms`; and so are the next two."""

    @abstractmethod
    def start_call(self, symbol: str) -> Call: ...

    @abstractmethod
    def start(self, symbol: str, answer: Response) -> Start: ...

    @abstractmethod
    def _take(self, body: bytes, symbol: str, name: str, bars: BarGathering) -> list[int]:
        """Reads a body into ``bars``; the begin of each bar in it that has one.

        Raises:
            TransientError: not what the upstream speaks, or about something else.
        """

    @abstractmethod
    def _is_unknown(self, body: bytes) -> bool:
        """Whether the upstream says that it does not know the symbol."""

    @abstractmethod
    def _refused(self, answer: Response, *, now_ms: int) -> None:
        """As :meth:`Source.check`, of any answer but that."""

    def used(self, answer: Response) -> int | None:
        return None

    # --- live

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        """One for each symbol."""
        self._live = True
        return [self._newest(symbol) for symbol in self.symbols]

    def check(self, answer: Response, *, now_ms: int) -> None:
        """An unknown symbol is that symbol's matter: it is told where the poll is read.

        Raises:
            TransientError: by the upstream's clock it is too early, since our own one is ahead.
        """
        if self._is_unknown(answer.body):
            return
        self._refused(answer, now_ms=now_ms)
        close_ms = slot_of(now_ms - self.delay_ms, min(self.step_ms, DAY_MS))
        if self._live and time_of(answer, now_ms=now_ms) < close_ms + CLOSED_AFTER_MS:
            raise TransientError(f"by {self.upstream}'s clock the bars that ended at {iso(close_ms)} may still change")

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """The last closed bar of each symbol.

        Raises:
            IncompleteError: a symbol has none, or its body is not what the upstream speaks, for the first time; it
                alone is asked for again. So is what tells the names.
            TransientError: no symbol has one.
        """
        close_ms = slot_ms - self.delay_ms
        gathered = BarGathering(self.feed.source, self.interval, time_ms=fetched_at_ms, fetched_at_ms=fetched_at_ms)
        try:
            called = self._called(bodies[: self.before])
        except TransientError as error:
            raise IncompleteError(f"{self.feed.name}: {error}", pages=range(self.before)) from error
        records: list[Any] = []
        lacking: dict[int, Rejected] = {}
        for number, symbol in enumerate(self.symbols):
            body = bodies[self.before + number]
            if self._is_unknown(body):
                gathered.reject("absent", symbol, f"{self.upstream} does not know it")
                continue
            gathered.records = []
            try:
                self._take(body, symbol, called.get(symbol, symbol), gathered)
            except TransientError as error:  # one symbol's body costs no other symbol
                lacking[number] = Rejected("bad_row", symbol, str(error))
                continue
            if ended := self._ended(gathered.records, close_ms):
                records += ended
                self._compare(ended[-1], gathered)
            elif not any(row.asset_id == symbol for row in gathered.rejected):
                lacking[number] = Rejected("absent", symbol, f"no bar that ended at {iso(close_ms)}")
        if not self._doubt.believes(tuple(lacking)):
            some = reasons_of(islice(lacking.values(), 3))[:1000]
            raise IncompleteError(
                f"{self.feed.name}: {len(lacking)} of {len(self.symbols)} symbols lack: {some}",
                pages=[self.before + number for number in lacking],
            )
        gathered.rejected += lacking.values()
        if not records:
            raise TransientError(f"{self.feed.name}: not a single record: {reasons_of(gathered.rejected[:3])[:1000]}")
        return Poll(records, gathered.rejected)

    def _ended(self, found: Sequence[Candle], close_ms: int) -> Sequence[Candle]:
        """Of bars of up to a day the one that has ended then, behind one off the grid that has ended since the slot
        before; of longer ones the last before."""
        ended = [each for each in found if end_of(each.timestamp, self.interval) <= close_ms]
        ended.sort(key=lambda each: each.timestamp)
        if self.step_ms > DAY_MS:
            return ended[-1:]
        return [each for each in ended if end_of(each.timestamp, self.interval) > close_ms - self.step_ms]

    def _compare(self, newest: Candle, gathered: BarGathering) -> None:
        """The bar before comes once more with each answer. One that the upstream has corrected meanwhile stays as it
        was kept; that it differs is counted and said."""
        before = self._kept.get(newest.asset_id)
        self._kept[newest.asset_id] = newest
        for each in gathered.records:
            if before is not None and each.timestamp == before.timestamp and not same(each, before):
                gathered.reject(
                    "changed", each.asset_id, f"{each.timestamp} has other values now: {each}, not {before}"
                )

    def _called(self, bodies: Sequence[bytes]) -> Mapping[str, str]:
        """What people call the symbols, where they have another name: told by the calls ``before``."""
        return {}

    def quote_of(self, symbol: str, bars: BarGathering | None = None) -> str | None:
        """None while nothing tells it, which ``bars`` then count."""
        told = self._quotes if isinstance(self._quotes, str) else self._quotes.of(symbol)
        if told is None and bars is not None:
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

    def spelled(self, symbol: str) -> str:
        return symbol.upper()

    def page(self, symbol: str, start: Start, span: Span, answer: Response, *, now_ms: int) -> Page:
        bars = BarGathering(
            self.feed.source, self.interval, time_ms=time_of(answer, now_ms=now_ms), fetched_at_ms=now_ms
        )
        begins = [] if self._is_unknown(answer.body) else self._take(answer.body, symbol, start.symbol or symbol, bars)
        if any(row.reason == "no_quote" for row in bars.rejected):
            raise TransientError(f"{self.feed.name}: {bars.rejected[0].detail}")
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


def time_of(answer: Response, *, now_ms: int) -> int:
    """What the upstream's clock showed at most when it answered, which is at most our own time: its ``Date`` is cut to
    whole seconds."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
        return min(now_ms, round(date.timestamp() * 1000) + 999)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now_ms


def pollings(source: str, kind: type[Candles], make: Callable[[str], Candles], setting: str) -> dict[Feed, Polling]:
    """How bars of each interval are polled.

    Args:
        setting: which names the symbols.
    """

    def made(interval: str) -> Candles:
        candles = make(interval)
        if not candles.symbols:
            raise SettingsError([f"{candles.feed.name} is a call for each symbol: name them by {setting}"])
        return candles

    return {
        Feed(source, CANDLE.name, interval): Polling(
            make=partial(made, interval),
            interval=min(STEPS.get(interval, DAY_MS), DAY_MS) / 1000,
            offset=kind.delay_ms / 1000,
            fixed=True,
        )
        for interval in kind.intervals
    }


def histories(source: str, kind: type[Candles], make: Callable[[str], Candles]) -> dict[Feed, Callable[[], Candles]]:
    """The past of each interval."""
    return {Feed(source, CANDLE.name, interval): partial(make, interval) for interval in kind.intervals}
