"""Candles by stream: closed bars as their frames say so, and by REST whatever has not come 3 s after its end.

A stream of open bars proves nothing; that each bar follows on the one before it does. What REST does not have either,
asked several times, is a gap. A bar off the grid, as after maintenance, is kept by its own begin, and REST is asked
what else there is in its place. An upstream's own module says how topics are spelled and what a frame holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import Candle, Feed, Gap, from_iso, iso, slot_of
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.upstreams.answers.bars import CLOSED_AFTER_MS, Bar, BarGathering
from cryptoproxy.upstreams.answers.candles import Candles
from cryptoproxy.upstreams.base import Call, Rejected, Response, SymbolList
from cryptoproxy.upstreams.history import Start
from cryptoproxy.upstreams.streaming.gaps import MOST_TRIES, RETRY_MS, GapRecords
from cryptoproxy.upstreams.streaming.stream import AHEAD_MS, Ask, Batch, Gathered, Left, Mark, Venue

OFF_GRID_MS = 5_000
"""By so much a bar off the grid may be told before the time from its begin on is over."""


class Closed(NamedTuple):
    """A closed bar of a frame."""

    bar: Bar
    event_ms: int
    """When the upstream said so."""
    base_volume: float | None
    quote_volume: float | None
    trades: int | None = None
    taker_base_volume: float | None = None
    taker_quote_volume: float | None = None
    first_id: int | None = None
    """Of its first trade, where the upstream tells it,"""
    last_id: int | None = None
    """and of its last."""


@dataclass(slots=True, eq=False)
class _Symbol:
    """``due_ms`` is the begin of the bar that comes next, on the grid; 0 before any is known."""

    due_ms: int = 0
    whole_ms: int = 0
    """The begin of the last bar before which nothing lacks."""
    lacking: dict[int, None] = field(default_factory=dict)
    """Begins of bars that are over and have not come, oldest first. After a long break they are many."""
    odd_ms: int = 0
    """The begin of the last bar that came off the grid."""
    ask_ms: int = 0
    """Not asked for earlier."""
    tries: int = 0
    gaps: GapRecords | None = None
    follows: tuple[int, int] | None = None
    """The begin of the bar behind the last frame, and the id of its first trade."""


class CandleStream(Gathered[Candle], ABC):
    """``binance.candle-1m@stream``.

    Args:
        candles: the same bars by REST.
    """

    def __init__(self, venue: Venue, candles: Candles) -> None:
        self.venue = venue
        self.upstream = candles.upstream
        self.feed: Feed = candles.feed
        self._candles = candles
        super().__init__({self._topic(symbol): symbol for symbol in candles.symbols})
        self._of: dict[str, _Symbol] = {}
        self._keys = count(1)
        self._asked: dict[str, tuple[str, Span]] = {}
        self._gaps: list[Gap] = []
        self._apart: list[str] = []

    # --- what an upstream's module tells

    @abstractmethod
    def _topic(self, symbol: str) -> str: ...

    @abstractmethod
    def _closed(self, body: bytes | msgspec.Raw) -> Sequence[Closed]:
        """The closed bars of a frame; raises what decoding raises."""

    # --- what comes

    @property
    def symbol_list(self) -> SymbolList | None:
        return self._candles.symbol_list

    @property
    def ready(self) -> bool:
        return bool(self._of)

    def begin(self, left: Left, *, now_ms: int) -> None:
        self._records, self._rejected, self._gaps, self._asked = [], [], [], {}
        self._apart = []
        self._of = {symbol: _Symbol() for symbol in self.symbols}
        there: dict[str, set[int]] = {symbol: set() for symbol in self._of}
        latest_ms = now_ms + AHEAD_MS  # by what is ahead all bars until then would be known
        for record in left.records:
            if record.asset_id in there and (begin_ms := from_iso(record.timestamp)) <= latest_ms:
                there[record.asset_id].add(begin_ms)
        for symbol, each in self._of.items():
            mark = left.marks.get(symbol)
            begins = sorted(there[symbol])
            if mark is not None and mark.at_ms > latest_ms:
                mark = None
            if mark is not None or begins:
                each.whole_ms = self._place_of(mark.at_ms if mark is not None else begins[0])
                each.due_ms = self._candles.next_ms(each.whole_ms)
                for begin_ms in begins:
                    self._follow(each, begin_ms)
            else:
                each.due_ms = self._open_at(now_ms)

    def _open_at(self, now_ms: int) -> int:
        """The begin of the bar that is open; 0 where bars do not begin at multiples of their length."""
        step = self._candles.step_ms
        return slot_of(now_ms, step) if self.feed.part not in ("1w", "1mo", "3d") else 0

    def _place_of(self, begin_ms: int) -> int:
        """Where on the grid the bar stands that begins there. Bars of more than a day begin at a midnight."""
        return slot_of(begin_ms, min(self._candles.step_ms, DAY_MS))

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        """Nothing to do: what does not come in time is asked for."""
        del topics, now_ms

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        for topic, bodies in data.items():
            symbol = self._symbol_of.get(topic)
            if symbol is None or symbol not in self._of:
                continue
            for body in bodies:
                try:
                    closed = self._closed(body)
                except UNREADABLE as error:
                    self._rejected.append(Rejected("bad_row", symbol, f"{error}: {bytes(body)[:200]!r}"))
                    continue
                for each in closed:
                    self._enter(symbol, each, now_ms)

    def _enter(self, symbol: str, closed: Closed, now_ms: int) -> None:
        seen_ms = max(now_ms, closed.event_ms) if closed.event_ms <= now_ms + AHEAD_MS else now_ms
        # The frame says that it is closed: nothing has to be waited for. One off the grid may say so before its end.
        bars = BarGathering(
            self.feed.source,
            self.feed.part,
            time_ms=seen_ms + OFF_GRID_MS + CLOSED_AFTER_MS,
            fetched_at_ms=seen_ms,
        )
        quote = self._candles.quote_of(symbol, bars)
        candle = bars.candle(symbol, symbol, quote, closed.bar, closed.bar.stamp_ms) if quote is not None else None
        self._rejected += bars.rejected
        if candle is None:
            if not bars.rejected:
                detail = f"the bar of {iso(closed.bar.stamp_ms)} is not over at {iso(seen_ms)}, as its frame says"
                self._rejected.append(Rejected("bad_time", symbol, detail))
            return
        candle.fetched_at = max(candle.fetched_at, iso(self._candles.next_ms(closed.bar.stamp_ms)))
        candle.base_volume, candle.quote_volume = closed.base_volume, closed.quote_volume
        candle.trades = closed.trades
        candle.taker_base_volume, candle.taker_quote_volume = closed.taker_base_volume, closed.taker_quote_volume
        if self._follow(self._of[symbol], closed.bar.stamp_ms):
            self._records.append(candle)
            self._check_trades(symbol, self._of[symbol], closed)

    def _check_trades(self, symbol: str, each: _Symbol, closed: Closed) -> None:
        """Ids of trades have no hole between two bars either. Of a bar without trades there are none."""
        begin_ms = closed.bar.stamp_ms
        next_ms = self._candles.next_ms(begin_ms)
        if each.follows is not None and begin_ms < each.follows[0]:
            return  # it came late: the one behind it was there
        wanted = each.follows[1] if each.follows is not None and each.follows[0] == begin_ms else None
        if closed.first_id is None or closed.last_id is None:
            each.follows = None if closed.trades or wanted is None else (next_ms, wanted)
            return
        each.follows = next_ms, closed.last_id + 1
        if wanted is not None and closed.first_id != wanted:
            self._apart.append(
                f"{symbol}: the bar of {iso(begin_ms)} begins with trade {closed.first_id}, where {wanted} comes next"
            )

    def _follow(self, each: _Symbol, begin_ms: int) -> bool:
        """Whether this bar is new; what it passes over lacks. One off the grid moves nothing: its place lacks until
        REST has told what is there."""
        place_ms = self._place_of(begin_ms)
        if place_ms != begin_ms:
            if begin_ms == each.odd_ms or (place_ms < each.due_ms and place_ms not in each.lacking):
                return False
            each.odd_ms = begin_ms
            return True
        if begin_ms in each.lacking:
            del each.lacking[begin_ms]
            return True
        if each.due_ms and begin_ms < each.due_ms:
            return False
        while each.due_ms and each.due_ms < begin_ms:
            each.lacking[each.due_ms] = None
            each.due_ms = self._candles.next_ms(each.due_ms)
        each.due_ms = self._candles.next_ms(begin_ms)
        return True

    # --- what lacks

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """A page from the oldest bar on that is over and has not come, for each symbol."""
        keys = {symbol: key for key, (symbol, _) in self._asked.items()}
        asked: dict[str, tuple[str, Span]] = {}
        asks: list[Ask] = []
        for symbol, each in self._of.items():
            while each.due_ms and self._candles.next_ms(each.due_ms) + CLOSED_AFTER_MS <= now_ms:
                each.lacking[each.due_ms] = None
                each.due_ms = self._candles.next_ms(each.due_ms)
            if each.lacking and each.ask_ms <= now_ms:
                span = Span(next(iter(each.lacking)), self._candles.next_ms(next(reversed(each.lacking))))
                key = keys.get(symbol) or f"{symbol} {next(self._keys)}"
                asked[key] = symbol, span
                asks.append(Ask(key, self._call(symbol, span, now_ms)))
        self._asked = asked
        return asks

    def _call(self, symbol: str, span: Span, now_ms: int) -> Call:
        return self._candles.call(symbol, span, now_ms=now_ms)

    def check(self, answer: Response, *, now_ms: int) -> None:
        self._candles.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return self._candles.used(answer)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        symbol, span = self._asked.pop(ask.key, ("", Span(0, 0)))
        each = self._of.get(symbol)
        if each is None:
            return
        page = self._candles.page(symbol, Start(span.begin_ms), span, answer, now_ms=now_ms)
        self._rejected += page.rejected
        found = [one for one in page.records if self._place_of(from_iso(one.timestamp)) in each.lacking]
        self._records += [one for one in found if from_iso(one.timestamp) != each.odd_ms]
        for one in found:
            each.lacking.pop(self._place_of(from_iso(one.timestamp)), None)
        if found:
            each.tries = 0
            return
        # One off the grid is no record before its own end.
        over_ms = self._candles.next_ms(page.begins[-1]) + CLOSED_AFTER_MS if page.begins else 0
        if over_ms > now_ms:
            each.ask_ms = over_ms
            return
        each.tries += 1
        each.ask_ms = now_ms + RETRY_MS * 2**each.tries
        if each.tries >= MOST_TRIES:
            self._give_up(symbol, each, min(page.covered_ms, span.end_ms), now_ms)

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        symbol, span = self._asked.pop(ask.key, ("", Span(0, 0)))
        if symbol in self._of:
            self._rejected.append(Rejected("refused", symbol, f"what lacks of it cannot be asked for: {why}"))
            self._give_up(symbol, self._of[symbol], span.end_ms, now_ms)

    def _give_up(self, symbol: str, each: _Symbol, end_ms: int, now_ms: int) -> None:
        """The upstream does not have the bars before ``end_ms``."""
        lost = [begin for begin in each.lacking if begin < end_ms]
        each.lacking = dict.fromkeys(begin for begin in each.lacking if begin >= end_ms)
        each.tries = each.ask_ms = 0
        if not lost:
            return
        if each.gaps is None:
            quote = self._candles.quote_of(symbol, None) or "UNKNOWN"
            kind = f"{self.feed.dataset}-{self.feed.part}"
            each.gaps = GapRecords(source=self.feed.source, asset_id=symbol, quote=quote, kind=kind)
        after, before = Mark(str(lost[0]), lost[0]), Mark(str(lost[-1]), self._candles.next_ms(lost[-1]))
        self._gaps.append(
            each.gaps.opened(after=after, before=before, why="the upstream has none", records=len(lost), now_ms=now_ms)
        )

    # --- what is kept

    def collect(self, *, now_ms: int) -> Batch:
        records, self._records = self._records, []
        rejected, self._rejected = self._rejected, []
        gaps, self._gaps = self._gaps, []
        apart, self._apart = self._apart, []
        marks: dict[str, Mark] = {}
        for symbol, each in self._of.items():
            # The successor asks again for what lacks now.
            whole_ms = self._before(next(iter(each.lacking), each.due_ms))
            if whole_ms and whole_ms > each.whole_ms:
                each.whole_ms = whole_ms
                marks[symbol] = Mark(iso(whole_ms), whole_ms)
        return Batch(records, gaps, marks, rejected, apart=apart)

    def _before(self, begin_ms: int) -> int:
        """The bar before the one that begins there."""
        return begin_ms - self._candles.step_ms if begin_ms else 0
