"""Binance spot aggregate trades: the stream ``<symbol>@aggTrade``, and ``/api/v3/aggTrades?fromId=`` for what lacks.

| record | frame and row |
|---|---|
| ``trade_id`` | ``a`` (aggregate id) and ``f`` (first trade's id) |
| ``price``, ``base_volume`` | ``p``, ``q`` |
| ``timestamp`` | ``T`` |
| ``side`` | ``m``: the buyer was the maker, so the taker sold |
| ``trades`` | ``l`` - ``f`` + 1 |

``a`` goes up by one for each symbol, and seldom repeats. ``fromId`` is inclusive; a page has 1,000 rows at most, and
weighs 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cryptoproxy.datasets import TRADE, Feed, Gap, Trade, from_iso, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader
from cryptoproxy.upstreams.answers.values import Number, product
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.binance.symbols import BinanceSymbols
from cryptoproxy.upstreams.binance.tickers import NAME, used_weight
from cryptoproxy.upstreams.streaming.chain import Chain, Hole, is_ours, numbers
from cryptoproxy.upstreams.streaming.gaps import HANDOVER, MOST_TRIES, RECONNECT, GapRecords, Recorded
from cryptoproxy.upstreams.streaming.stream import Ask, Left, Mark
from cryptoproxy.upstreams.streaming.trade_stream import Known, TradeStream

WEIGHT = 4
PAGE = 1000
MOST_ASKS = 4
"""Wanted at once; the others wait, so that one symbol's long gap does not hide another's short one."""
BY_REST = "aggTrades"


class AggTrade(msgspec.Struct, gc=False):
    """A frame's data, or a row of a page."""

    a: int
    p: Number
    q: Number
    f: int
    l: int  # noqa: E741 - theirs
    T: int
    m: bool


_rows = msgspec.json.Decoder(list[AggTrade], strict=False)
_row = msgspec.json.Decoder(AggTrade, strict=False)
_reader = RowReader(NAME, AggTrade)


class _Symbol(Known):
    def __init__(self, symbol: str, chain: Chain) -> None:
        super().__init__(symbol)
        self.chain = chain
        self.told = chain.mark

    @property
    def last(self) -> Mark | None:
        return self.chain.mark


class BinanceTrades(TradeStream[_Symbol]):
    """``binance.trade``."""

    def __init__(
        self, *, venue: BinanceVenue, base_url: str, symbols: Sequence[str], symbol_list: BinanceSymbols
    ) -> None:
        topics = {symbol.upper(): f"{symbol.lower()}@aggTrade" for symbol in symbols}
        super().__init__(Feed(NAME, TRADE.name), venue, topics, symbol_list)
        self._url = f"{base_url.rstrip('/')}/api/v3/aggTrades"
        self._asked: dict[str, tuple[str, Hole | None]] = {}
        """Without a hole it is asked what came after the last trade."""

    # --- what comes

    def begin(self, left: Left, *, now_ms: int) -> None:
        self._records, self._rejected, self._asked = [], [], {}
        seen: dict[str, list[tuple[int, int, int]]] = {symbol: [] for symbol in self.symbols}
        for record in left.records:
            if isinstance(record, Trade) and record.asset_id in seen and is_ours(record.trade_id):
                seen[record.asset_id].append((*numbers(record.trade_id), moment_of(record.timestamp)))
        gaps: dict[str, list[Gap]] = {symbol: [] for symbol in self.symbols}
        for gap in left.gaps:
            gaps.setdefault(gap.asset_id, []).append(gap)
        self._of = {
            symbol: _Symbol(symbol, _chain(left, symbol, seen[symbol], gaps[symbol], now_ms)) for symbol in seen
        }
        for symbol, found in gaps.items():
            if symbol in self._of:
                self._of[symbol].begins = [from_iso(gap.timestamp) for gap in found]

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        for each in self._known(topics):
            each.chain.why = RECONNECT

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        for topic, bodies in data.items():
            symbol = self._symbol_of.get(topic)
            if symbol is not None and symbol in self._of:
                self._enter(symbol, self._read(bodies, symbol), now_ms)

    def _read(self, bodies: Sequence[bytes | msgspec.Raw], symbol: str) -> list[AggTrade]:
        try:
            return _rows.decode(b"[" + b",".join(bodies) + b"]")
        except UNREADABLE:
            pass
        rows = []
        for body in bodies:
            try:
                rows.append(_row.decode(body))
            except UNREADABLE as error:
                self._unread(symbol, error, body)
        return rows

    def _enter(self, symbol: str, rows: Sequence[AggTrade], now_ms: int) -> None:
        """What of ``rows`` is new, as records. Of a symbol whose quote is not told yet nothing is taken: it lacks then,
        and is asked for like all that lacks."""
        quote = self._quote_of(symbol)
        if quote is None:
            return
        chain = self._of[symbol].chain
        if rows:
            self._of[symbol].look_ms = 0
        fetched_at = iso(now_ms)
        for row in rows:
            if self._is_time(symbol, row.T, now_ms) and chain.take(row.a, row.f, row.T, now_ms):
                # Its clock is not measured to the millisecond.
                self._record(symbol, quote, row, fetched_at if now_ms >= row.T else iso(row.T))

    def _record(self, symbol: str, quote: str, row: AggTrade, fetched_at: str) -> None:
        price, volume = row.p, row.q
        if not price or volume is None or price < 0 or volume < 0:
            self._reject("no_price", symbol, f"price {price}, volume {volume}")
            return
        self._records.append(
            Trade(
                source=NAME,
                asset_id=symbol,
                symbol=symbol,
                quote=quote,
                trade_id=f"{row.a}-{row.f}",
                price=price,
                base_volume=volume,
                quote_volume=product(price, volume),
                side="sell" if row.m else "buy",
                timestamp=iso(row.T),
                fetched_at=fetched_at,
                trades=row.l - row.f + 1,
            )
        )

    # --- what lacks

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """The oldest hole of each symbol that is due, those that were asked for least first; then what came after the
        last trade of those that are quiet."""
        due: list[tuple[str, Hole | None]] = [
            (symbol, hole)
            for symbol, each in self._of.items()
            for hole in next(([hole] for hole in each.chain.holes if hole.due_ms <= now_ms), [])
        ]
        due.sort(key=lambda item: item[1].tries if item[1] else 0)
        due += [(symbol, None) for symbol, each in self._of.items() if 0 < each.look_ms <= now_ms]
        due = [item for item in due if self._quote_of(item[0]) is not None][:MOST_ASKS]
        keys = {(symbol, id(hole)): key for key, (symbol, hole) in self._asked.items()}
        self._asked = {keys.get((item[0], id(item[1]))) or f"{item[0]} {next(self._keys)}": item for item in due}
        return [Ask(key, self._page(symbol, hole)) for key, (symbol, hole) in self._asked.items()]

    def _page(self, symbol: str, hole: Hole | None) -> Call:
        first = hole.first if hole else (self._of[symbol].chain.last or 0) + 1
        asked = {"symbol": symbol, "fromId": str(first), "limit": str(PAGE)}
        return Call(self._url, asked, cost=WEIGHT)

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        symbol, hole = self._asked.pop(ask.key, ("", None))
        if not symbol or (hole is not None and hole.first > hole.last):
            return
        rows = self._page_of(answer.body, symbol)
        rows.sort(key=lambda row: (row.a, row.f))
        if hole is None:
            self._enter(symbol, rows, now_ms)
            self._of[symbol].look_ms = now_ms if len(rows) >= PAGE else 0
            return
        chain, quote = self._of[symbol].chain, self._quote_of(symbol)
        inside = [row for row in rows if hole.first <= row.a <= hole.last and self._is_time(symbol, row.T, now_ms)]
        if not inside or inside[0].a > hole.first:
            upto = inside[0].a - 1 if inside else hole.last
            behind = inside[0] if inside else None
            before = Mark(f"{behind.a}-{behind.f}", behind.T) if behind else hole.before
            chain.lacks(hole, upto, before, now_ms=now_ms)
            return
        run: list[AggTrade] = []
        for row in inside:
            if run and row.a > run[-1].a + 1:
                break
            if not run or (row.a, row.f) > (run[-1].a, run[-1].f):
                run.append(row)
        fetched_at = iso(now_ms)
        for row in run:
            self._record(symbol, quote or "", row, fetched_at)
        chain.mended(hole, Mark(f"{run[-1].a}-{run[-1].f}", run[-1].T), len(run))

    def _page_of(self, body: bytes, symbol: str) -> list[AggTrade]:
        """Its rows. One that is odd lacks, and holds up none of the others."""
        rows, rejected = _reader.read(body)
        if rejected and not rows:
            raise not_spoken(NAME, body, rejected[0].detail)
        for row in rejected:
            self._reject(row.reason, symbol, row.detail)
        return rows

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        symbol, hole = self._asked.pop(ask.key, ("", None))
        if symbol and hole is None:
            self._of[symbol].look_ms = 0
        if hole is not None and hole.first <= hole.last:
            self._reject("refused", symbol, f"what lacks of it cannot be asked for: {why}")
            hole.tries = MOST_TRIES
            self._of[symbol].chain.lacks(hole, hole.last, hole.before, now_ms=now_ms)

    # --- what is kept

    def _gaps_of(self, each: _Symbol, records: GapRecords, now_ms: int) -> list[Gap]:
        chain, found = each.chain, list[Gap]()
        advanced = chain.advanced()
        for hole in chain.unrecorded():
            lacking = hole.last - hole.first + 1 if hole.last >= hole.first else None
            gap = records.opened(after=hole.after, before=hole.before, why=hole.why, records=lacking, now_ms=now_ms)
            hole.record = Recorded(gap)
            found.append(gap)
        for over in chain.over:
            found.append(records.mended(over.gap, records=over.brought, why=BY_REST, now_ms=now_ms))
        for part, upto in advanced:
            found.append(records.mended(part.gap, records=part.brought, why=BY_REST, now_ms=now_ms, upto=upto))
        chain.over = []
        return found


def _chain(left: Left, symbol: str, seen: Iterable[tuple[int, int, int]], gaps: Iterable[Gap], now_ms: int) -> Chain:
    """How one symbol goes on: from its mark over what is on the topic behind it, ``seen``."""
    chain = Chain(left.marks.get(symbol), gaps, now_ms=now_ms)
    known = [(hole.first, hole.last) for hole in chain.holes]
    for number, second, at_ms in sorted(seen):
        chain.why = HANDOVER
        chain.take(number, second, at_ms, now_ms)
    chain.why = HANDOVER
    # What an open gap tells of already is found once more in what came behind it.
    chain.holes = [
        hole
        for hole in chain.holes
        if hole.record or not any(first <= hole.first and hole.last <= last for first, last in known)
    ]
    return chain
