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

from collections.abc import Mapping, Sequence

import msgspec

from cryptoproxy.datasets import TRADE, Feed, Gap, Trade, from_iso, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader, members
from cryptoproxy.upstreams.answers.values import Number, product
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.shapes import result_of
from cryptoproxy.upstreams.bybit.streams.breaks import Break, Recent, Symbol
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import BybitSymbols, Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.gaps import HANDOVER, HOLE, RECONNECT, GapRecords, Recorded
from cryptoproxy.upstreams.streaming.stream import AHEAD_MS, Ask, Left, Mark
from cryptoproxy.upstreams.streaming.trade_stream import TradeStream

PAGE, SPOT_PAGE = 1_000, 60
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


_frame = msgspec.json.Decoder(_Frame, strict=False)
_rows = RowReader(UPSTREAM, _Row)
_recent = RowReader(UPSTREAM, Recent)


def _frame_of(row: Recent) -> _Row:
    return _Row(row.time, row.side, row.size, row.price, row.exec_id, row.is_block_trade, row.seq)


class BybitTrades(TradeStream[Symbol]):
    """``bybit-linear.trade`` and those of the other markets."""

    def __init__(
        self, market: Category, *, venue: BybitVenue, base_url: str, symbols: Sequence[str], symbol_list: BybitSymbols
    ) -> None:
        topics = {symbol.upper(): f"publicTrade.{symbol.upper()}" for symbol in symbols}
        super().__init__(Feed(f"{UPSTREAM}-{market}", TRADE.name), venue, topics, symbol_list)
        self._market = market
        self._page = SPOT_PAGE if market is Category.SPOT else PAGE
        self._url = f"{base_url.rstrip('/')}/v5/market/recent-trade"
        self._asked: dict[str, str] = {}

    # --- what comes

    def begin(self, left: Left, *, now_ms: int) -> None:
        self._records, self._rejected, self._asked = [], [], {}
        self._of = {symbol: Symbol(symbol) for symbol in self.symbols}
        for symbol, mark in left.marks.items():
            if symbol in self._of:
                self._of[symbol].remember(mark.id)
                self._of[symbol].mark = mark
        for record in left.records:
            each = self._of.get(record.asset_id)
            if each is not None and isinstance(record, Trade):
                each.remember(record.trade_id)
                at_ms = moment_of(record.timestamp)
                if at_ms <= now_ms + AHEAD_MS and (each.mark is None or at_ms >= each.mark.at_ms):
                    each.mark = Mark(record.trade_id, at_ms)
        for each in self._of.values():
            each.why = HANDOVER
        for gap in left.gaps:
            if gap.asset_id in self._of:
                self._of[gap.asset_id].begins.append(from_iso(gap.timestamp))
            if gap.asset_id in self._of and gap.after_id and gap.before_id:
                after, first = Mark(gap.after_id, from_iso(gap.timestamp)), Mark(gap.before_id, from_iso(gap.until))
                old = Break({gap.after_id}, after, first, gap.why, now_ms, record=Recorded(gap))
                self._of[gap.asset_id].breaks.append(old)

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        for each in self._known(topics):
            each.broke(RECONNECT)

    def refused(self, topic: str, why: str) -> None:
        """If it is given again, nothing else would tell that something lacks."""
        super().refused(topic, why)
        for each in self._known([topic]):
            each.broke(RECONNECT)

    def unread(self) -> None:
        for each in self._of.values():
            each.broke(HOLE)

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        fetched_at = iso(now_ms)
        for topic, bodies in data.items():
            each = self._of.get(self._symbol_of.get(topic, ""))
            if each is None or (quote := self._quote_of(each.symbol)) is None:
                continue
            for body in bodies:
                rows, whole = self._rows_of(body, each.symbol)
                for row in rows:
                    self._enter(each, quote, row, now_ms=now_ms, fetched_at=fetched_at)
                if not whole:
                    each.broke(HOLE)

    def _rows_of(self, body: bytes | msgspec.Raw, symbol: str) -> tuple[list[_Row], bool]:
        """A frame's rows that can be read, and whether these are all."""
        try:
            return _frame.decode(body).data, True
        except UNREADABLE:
            pass
        try:
            rows, rejected = _rows.read(members(body)["data"])
        except (*UNREADABLE, ValueError, KeyError, TransientError) as error:
            self._unread(symbol, error, body)
            return [], False
        for row in rejected:
            self._reject(row.reason, symbol, row.detail)
        return rows, not rejected

    def _enter(self, each: Symbol, quote: str, row: _Row, *, now_ms: int, fetched_at: str) -> None:
        if row.i in each.seen or not self._is_time(each.symbol, row.T, now_ms):
            return
        each.follow(row.i, row.T, now_ms)
        # Its clock is not measured to the millisecond.
        self._record(each.symbol, quote, row, fetched_at if now_ms >= row.T else iso(row.T))

    def _record(self, symbol: str, quote: str, row: _Row, fetched_at: str) -> None:
        price, volume, side = row.p, row.v, row.S.lower()
        if not price or not volume or price < 0 or volume < 0 or side not in ("buy", "sell"):
            self._reject("no_price", symbol, f"price {price}, volume {volume}, side {row.S!r}")
            return
        inverse = self._market is Category.INVERSE  # contracts of 1 USD, settled in the coin
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

    # --- what may lack

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """The newest trades of each symbol that has a break, or was quiet after one."""
        due = [symbol for symbol, each in self._of.items() if each.wants(now_ms) and self._quote_of(symbol) is not None]
        keys = {symbol: key for key, symbol in self._asked.items()}
        self._asked = {keys.get(symbol) or f"{symbol} {next(self._keys)}": symbol for symbol in due}
        for symbol in due:
            self._of[symbol].late = False
        return [Ask(key, self._recent(symbol)) for key, symbol in self._asked.items()]

    def _recent(self, symbol: str) -> Call:
        return Call(self._url, {"category": self._market.value, "symbol": symbol, "limit": str(self._page)})

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return None

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        symbol = self._asked.pop(ask.key, "")
        if not symbol:
            return
        rows, rejected = _recent.read(result_of(answer.body)["list"])
        if rejected and not rows:
            raise not_spoken(UPSTREAM, answer.body, rejected[0].detail)
        for odd in rejected:
            self._reject(odd.reason, symbol, odd.detail)
        rows.sort(key=lambda row: row.time)
        each, quote, fetched_at = self._of[symbol], self._quote_of(symbol) or "", iso(now_ms)
        new = [row for row in rows if row.exec_id not in each.seen]
        breaks = list(each.breaks)
        for one in breaks:
            each.weigh(one, rows, new, now_ms)
        if 0 < each.look_ms <= now_ms:
            each.look_ms = now_ms if each.late else 0
            if len(new) < len(rows) and not breaks and each.mark is not None:
                if not each.late:
                    self._look(each, rows, now_ms)
                return
        # What is younger than the last frame comes by the stream, in its order; what is older than each break was kept.
        begin = min((one.after.at_ms for one in breaks), default=0)
        end = each.mark.at_ms if each.mark else 0
        for row in new:
            if begin <= row.time <= end and each.remember(row.exec_id):
                self._record(symbol, quote, _frame_of(row), fetched_at)

    def _look(self, each: Symbol, rows: Sequence[Recent], now_ms: int) -> None:
        """It was quiet, or its connection is another one, and the answer reaches back: what stands behind a trade that
        is known, and is not known itself, was missed."""
        each.why = ""
        quote, fetched_at, upto = self._quote_of(each.symbol) or "", iso(now_ms), each.mark
        behind = False
        for row in rows:
            if row.exec_id in each.seen:
                behind = True
            elif upto is not None and row.time >= upto.at_ms:
                self._enter(each, quote, _frame_of(row), now_ms=now_ms, fetched_at=fetched_at)
            elif behind and each.remember(row.exec_id):
                self._record(each.symbol, quote, _frame_of(row), fetched_at)

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        if symbol := self._asked.pop(ask.key, ""):
            self._reject("refused", symbol, f"what lacks of it cannot be asked for: {why}")
            self._of[symbol].give_up()

    def _gaps_of(self, each: Symbol, records: GapRecords, now_ms: int) -> list[Gap]:
        found: list[Gap] = []
        # One that is mended already is told as well, where records came: they may be kept in several steps.
        for one in [*each.breaks, *(one for one in each.over if one.lost or one.brought)]:
            if one.record is None:
                gap = records.opened(after=one.after, before=one.first, why=one.why, records=None, now_ms=now_ms)
                one.record = Recorded(gap)
                found.append(gap)
        for one in each.over:
            if one.record is not None and not one.lost:
                found.append(records.mended(one.record.gap, records=one.brought, why=BY_REST, now_ms=now_ms))
        each.over = []
        return found
