"""Bybit's public trades: the topic ``publicTrade.<symbol>``, and ``/v5/market/recent-trade`` for what lacks.

| record | frame | row of recent-trade |
|---|---|---|
| ``trade_id`` | ``i`` | ``execId`` |
| ``price`` | ``p`` | ``price`` |
| ``base_volume`` | ``v``; inverse: ``v`` / ``p``, since ``v`` is in USD | ``size``, likewise |
| ``timestamp`` | ``T`` | ``time`` |
| ``side`` | ``S``, the taker's | ``side`` |
| ``sequence`` | ``seq``; several trades share one | ``seq`` |
| ``block`` | ``BT`` | ``isBlockTrade`` |

Ids tell nothing of what lies between them. So after each break the newest trades are asked for (1,000, spot 60): where
they hold one from before the break and one from behind it, nothing lacks. Else what lies between is a gap for good:
Bybit has no older ones. A frame that cannot be read is such a break; one that is lost within a connection cannot be
noticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from cryptoproxy.datasets import TRADE, Feed, Gap, Trade, from_iso, iso
from cryptoproxy.datasets.codec import EARLIEST_MS
from cryptoproxy.datasets.times import DAY_MS, moment_of
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.base import Answer, Call, Rejected
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.symbols import BybitSymbols, Market
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.bybit.venue import BybitVenue
from cryptoproxy.upstreams.chain import GRACE_MS, HANDOVER, HOLE, MOST_TRIES, RECONNECT, RETRY_MS, GapRecords, Recorded
from cryptoproxy.upstreams.gathering import usable_id
from cryptoproxy.upstreams.refusals import UNREADABLE, not_spoken, words
from cryptoproxy.upstreams.stream import Ask, Batch, Left, Mark
from cryptoproxy.upstreams.values import Number, product

PAGE, SPOT_PAGE = 1_000, 60
LOOK_MS = 2_000
"""A symbol without a trade for so long after its topic has come again is asked for what it may have missed."""
MOST_SEEN = 4_000
"""Ids that are remembered of each symbol."""
BY_REST = "recent-trade"


class _Row(msgspec.Struct, gc=False):
    T: int
    S: str
    v: Number
    p: Number
    i: str
    BT: bool = False
    seq: int | None = None


class _Frame(msgspec.Struct, gc=False):
    data: list[_Row]


class _Recent(msgspec.Struct, rename="camel", gc=False):
    exec_id: str
    time: int
    side: str
    size: Number
    price: Number
    is_block_trade: bool = False
    seq: int | None = None


def _frame_of(row: _Recent) -> _Row:
    return _Row(row.time, row.side, row.size, row.price, row.exec_id, row.is_block_trade, row.seq)


class _List(msgspec.Struct, rename={"rows": "list"}, gc=False):
    rows: list[_Recent]


class _Answer(msgspec.Struct, gc=False):
    result: _List


_frame = msgspec.json.Decoder(_Frame, strict=False)
_answer = msgspec.json.Decoder(_Answer, strict=False)


@dataclass(slots=True, eq=False)
class _Break:
    """A moment at which something may lack."""

    before: Collection[str]
    """Ids from before it; one of them in an answer proves that it reaches back far enough."""
    after: Mark
    first: Mark
    """What came first behind it: an answer without it is older than the break."""
    why: str
    due_ms: int
    tries: int = 0
    brought: int = 0
    lost: bool = False
    record: Recorded | None = None


class _Symbol:
    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.seen: dict[str, None] = {}
        self.mark: Mark | None = None
        self.told: Mark | None = None
        self.why = ""
        """Of a break before the next trade; empty where there is none."""
        self.look_ms = 0
        """When to look whether it has missed something, since no frame has shown it; 0 for never."""
        self.breaks: list[_Break] = []
        self.over: list[_Break] = []
        self.gaps: GapRecords | None = None

    def remember(self, trade_id: str) -> bool:
        """Whether it is new."""
        seen = self.seen
        if trade_id in seen:
            return False
        seen[trade_id] = None
        if len(seen) > MOST_SEEN:
            del seen[next(iter(seen))]
        return True


class BybitTrades:
    """``bybit-linear.trade`` and those of the other markets.

    Raises:
        SettingsError: a symbol that nobody can have.
    """

    upstream = UPSTREAM

    def __init__(
        self, market: Market, *, venue: BybitVenue, base_url: str, symbols: Sequence[str], symbol_list: BybitSymbols
    ) -> None:
        self.feed = Feed(f"{UPSTREAM}-{market}", TRADE.name)
        self.symbols = tuple(dict.fromkeys(each.upper() for each in symbols))
        if faults := [f"{self.feed.name} has no symbol {each!r}" for each in self.symbols if not usable_id(each)]:
            raise SettingsError(faults)
        self.venue = venue
        self.symbol_list = symbol_list
        self._market = market
        self._page = SPOT_PAGE if market is Market.SPOT else PAGE
        self._url = f"{base_url.rstrip('/')}/v5/market/recent-trade"
        self._symbol_of = {f"publicTrade.{symbol}": symbol for symbol in self.symbols}
        self.topics = tuple(self._symbol_of)
        self._begun = False
        self._of: dict[str, _Symbol] = {}
        self._keys = count(1)
        self._asked: dict[str, str] = {}
        self._records: list[Trade] = []
        self._rejected: list[Rejected] = []

    @property
    def ready(self) -> bool:
        return self._begun

    @property
    def waiting(self) -> int:
        return len(self._records)

    # --- what comes

    def begin(self, left: Left, *, now_ms: int) -> None:
        self._records, self._rejected, self._asked = [], [], {}
        self._of = {symbol: _Symbol(symbol) for symbol in self.symbols}
        for symbol, mark in left.marks.items():
            if symbol in self._of:
                self._of[symbol].remember(mark.id)
                self._of[symbol].mark = mark
        for record in left.records:
            each = self._of.get(record.asset_id)
            if each is not None and isinstance(record, Trade):
                each.remember(record.trade_id)
                at_ms = moment_of(record.timestamp)
                if each.mark is None or at_ms >= each.mark.at_ms:
                    each.mark = Mark(record.trade_id, at_ms)
        for each in self._of.values():
            each.why = HANDOVER
        for gap in left.gaps:
            if gap.asset_id in self._of and gap.after_id and gap.before_id:
                after, first = Mark(gap.after_id, from_iso(gap.timestamp)), Mark(gap.before_id, from_iso(gap.until))
                old = _Break({gap.after_id}, after, first, gap.why, now_ms, record=Recorded(gap))
                self._of[gap.asset_id].breaks.append(old)
        self._begun = True

    def refused(self, topic: str, why: str) -> None:
        self._rejected.append(Rejected("refused", self._symbol_of.get(topic, ""), f"{topic}: {why}"))

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        for symbol in filter(None, map(self._symbol_of.get, topics)):
            if self._begun:
                self._of[symbol].why = self._of[symbol].why or RECONNECT

    def joined(self, topics: Sequence[str], *, now_ms: int) -> None:
        for symbol in filter(None, map(self._symbol_of.get, topics)):
            if self._begun and self._of[symbol].why and self._of[symbol].mark is not None:
                self._of[symbol].look_ms = now_ms + LOOK_MS

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        fetched_at = iso(now_ms)
        for topic, bodies in data.items():
            symbol = self._symbol_of.get(topic)
            if symbol is None or not self._begun or (quote := self.symbol_list.quotes.of(symbol)) is None:
                continue
            each = self._of[symbol]
            for body in bodies:
                try:
                    rows = _frame.decode(body).data
                except UNREADABLE as error:
                    self._rejected.append(Rejected("bad_row", symbol, f"{error}: {words(bytes(body))}"))
                    each.why = each.why or HOLE
                    continue
                for row in rows:
                    self._enter(each, quote, row, now_ms=now_ms, fetched_at=fetched_at)

    def _enter(self, each: _Symbol, quote: str, row: _Row, *, now_ms: int, fetched_at: str) -> None:
        symbol = each.symbol
        if not EARLIEST_MS <= row.T <= now_ms + DAY_MS:
            self._rejected.append(Rejected("bad_time", symbol, f"{row.T} is no time in milliseconds of a trade"))
            return
        if row.i in each.seen:
            return
        mark = Mark(row.i, row.T)
        if each.why:
            if each.mark is not None:
                due_ms = now_ms + GRACE_MS
                each.breaks.append(_Break(frozenset(each.seen), each.mark, mark, each.why, due_ms))
            each.why, each.look_ms = "", 0
        each.remember(row.i)
        each.mark = mark
        # Its clock is not measured to the millisecond.
        self._record(symbol, quote, row, fetched_at if now_ms >= row.T else iso(row.T))

    def _record(self, symbol: str, quote: str, row: _Row, fetched_at: str) -> bool:
        price, volume, side = row.p, row.v, row.S.lower()
        if not price or not volume or price < 0 or volume < 0 or side not in ("buy", "sell"):
            self._rejected.append(Rejected("no_price", symbol, f"price {price}, volume {volume}, side {row.S!r}"))
            return False
        inverse = self._market is Market.INVERSE  # contracts of 1 USD, settled in the coin
        self._records.append(
            Trade(
                source=self.feed.source,
                asset_id=symbol,
                symbol=symbol,
                quote=quote,
                trade_id=row.i,
                price=price,
                base_volume=volume / price if inverse else volume,
                quote_volume=volume if inverse else product(price, volume),
                side=side,  # type: ignore[arg-type]
                timestamp=iso(row.T),
                fetched_at=fetched_at,
                sequence=row.seq,
                block=row.BT or None,
            )
        )
        return True

    # --- what may lack

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """The newest trades of each symbol that has a break."""
        due = {
            symbol: each
            for symbol, each in self._of.items()
            if (any(one.due_ms <= now_ms for one in each.breaks) or 0 < each.look_ms <= now_ms)
            and self.symbol_list.quotes.of(symbol) is not None
        }
        keys = {symbol: key for key, symbol in self._asked.items()}
        self._asked = {keys.get(symbol) or f"{symbol} {next(self._keys)}": symbol for symbol in due}
        return [Ask(key, self._recent(symbol)) for key, symbol in self._asked.items()]

    def _recent(self, symbol: str) -> Call:
        return Call(self._url, {"category": self._market.value, "symbol": symbol, "limit": str(self._page)})

    def check(self, answer: Answer, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Answer) -> int | None:
        return None

    def answered(self, ask: Ask, answer: Answer, *, now_ms: int) -> None:
        symbol = self._asked.pop(ask.key, "")
        if not symbol:
            return
        try:
            rows = _answer.decode(answer.body).result.rows
        except UNREADABLE as error:
            raise not_spoken(UPSTREAM, answer.body, error) from error
        rows.sort(key=lambda row: row.time)
        each, quote = self._of[symbol], self.symbol_list.quotes.of(symbol) or ""
        new = [row for row in rows if row.exec_id not in each.seen]
        due = [one for one in each.breaks if one.due_ms <= now_ms]
        for one in due:
            self._weigh(each, one, rows, new, now_ms=now_ms)
        fetched_at = iso(now_ms)
        if 0 < each.look_ms <= now_ms:
            each.look_ms = 0
            if len(new) < len(rows) and not each.breaks and each.mark is not None:
                # It was quiet, and reaches back: all of it follows on what is known.
                each.why = ""
                for row in new:
                    if row.time >= each.mark.at_ms:
                        self._enter(each, quote, _frame_of(row), now_ms=now_ms, fetched_at=fetched_at)
                return
        # What is younger than the last frame comes by the stream, in its order; what is older than each break was kept.
        begin = min((one.after.at_ms for one in due), default=0)
        end = each.mark.at_ms if each.mark else 0
        for row in new:
            if begin <= row.time <= end and each.remember(row.exec_id):
                self._record(symbol, quote, _frame_of(row), fetched_at)

    def _weigh(
        self, each: _Symbol, one: _Break, rows: Sequence[_Recent], new: Sequence[_Recent], *, now_ms: int
    ) -> None:
        """What an answer proves of a break."""
        ids = {row.exec_id for row in rows}
        one.brought += sum(1 for row in new if one.after.at_ms <= row.time <= one.first.at_ms)
        reaches_on = one.first.id in ids or bool(rows and rows[0].time > one.first.at_ms)
        reaches_back = not ids.isdisjoint(one.before)
        if reaches_back and one.first.id in ids:
            each.breaks.remove(one)
            each.over.append(one)
            return
        one.tries += 1
        one.due_ms = now_ms + RETRY_MS * 2**one.tries
        if reaches_on or one.tries >= MOST_TRIES:  # there are older ones, and Bybit does not give them any more
            one.lost = True
            each.breaks.remove(one)
            each.over.append(one)

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        symbol = self._asked.pop(ask.key, "")
        if symbol:
            each = self._of[symbol]
            self._rejected.append(Rejected("refused", symbol, f"what lacks of it cannot be asked for: {why}"))
            for one in each.breaks:
                one.lost = True
            each.over += each.breaks
            each.breaks = []

    # --- what is kept

    def collect(self, *, now_ms: int) -> Batch:
        records, self._records = self._records, []
        rejected, self._rejected = self._rejected, []
        gaps: list[Gap] = []
        marks: dict[str, Mark] = {}
        for symbol, each in self._of.items():
            for one in [*each.breaks, *(one for one in each.over if one.lost)]:
                if one.record is None:
                    opened = self._gaps(symbol, each).opened(
                        after=one.after, before=one.first, why=one.why, records=None, now_ms=now_ms
                    )
                    one.record = Recorded(opened)
                    gaps.append(opened)
            gaps += [
                GapRecords.mended(one.record.gap, records=one.brought, why=BY_REST, now_ms=now_ms)
                for one in each.over
                if one.record is not None and not one.lost
            ]
            each.over = []
            if each.mark is not None and each.mark != each.told:
                each.told = marks[symbol] = each.mark
        return Batch(records, gaps, marks, rejected)

    def _gaps(self, symbol: str, each: _Symbol) -> GapRecords:
        if each.gaps is None:
            quote = self.symbol_list.quotes.of(symbol) or "UNKNOWN"
            each.gaps = GapRecords(source=self.feed.source, asset_id=symbol, quote=quote, kind=self.feed.dataset)
        return each.gaps
