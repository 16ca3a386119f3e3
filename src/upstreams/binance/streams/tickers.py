"""Binance's tickers by stream, which cost no weight: ``<symbol>@ticker``, pushed each second in which it has changed.

The first frame of a symbol within a slot is its record, as an answer to a poll would be. A slot without a frame has
none: nothing has changed, or nothing came. There is nothing to ask for afterwards, so it is no gap.

| record | frame |
|---|---|
| ``price``, ``last_updated`` | ``c``, ``C`` (end of the 24 hours) |
| ``volume_24h``, ``base_volume_24h``, ``trades_24h`` | ``q``, ``v``, ``n`` |
| ``high_24h``, ``low_24h``, ``open_24h`` | ``h``, ``l``, ``o`` |
| ``price_change_24h``, ``change_24h`` | ``p``, ``P`` |
| ``bid_price``, ``ask_price`` | ``b``, ``a`` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cryptoproxy.datasets import Feed, Ticker, from_iso, slot_of
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.answers.gathering import Gathering, usable_id
from cryptoproxy.upstreams.answers.refusals import words
from cryptoproxy.upstreams.answers.values import Number, Whole, iso_of_ms
from cryptoproxy.upstreams.base import Rejected, Response
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.binance.symbols import BinanceSymbols
from cryptoproxy.upstreams.binance.tickers import NAME, used_weight
from cryptoproxy.upstreams.streaming.stream import Ask, Batch, Gathered, Left, Mark


class _Ticker(msgspec.Struct, gc=False):
    p: Number = None
    P: Number = None
    c: Number = None
    b: Number = None
    a: Number = None
    o: Number = None
    h: Number = None
    l: Number = None  # noqa: E741 - theirs
    v: Number = None
    q: Number = None
    C: Whole = None
    n: Whole = None


_ticker = msgspec.json.Decoder(_Ticker, strict=False)


class BinanceTickerStream(Gathered[Ticker]):
    """``binance.ticker@stream``.

    Args:
        interval_ms: of its slots.

    Raises:
        SettingsError: a symbol that nobody can have.
    """

    feed = Feed(NAME)
    upstream = NAME

    def __init__(
        self, *, venue: BinanceVenue, symbols: Sequence[str], symbol_list: BinanceSymbols, interval_ms: int
    ) -> None:
        names = tuple(dict.fromkeys(each.upper() for each in symbols))
        if faults := [f"{NAME} has no symbol {each!r}" for each in names if not usable_id(each)]:
            raise SettingsError(faults)
        super().__init__({f"{symbol.lower()}@ticker": symbol for symbol in names})
        self.venue = venue
        self.symbol_list = symbol_list
        self._interval_ms = interval_ms
        self._begun = False
        self._slots: dict[str, int] = {}
        """The last slot of each symbol that has a record."""
        self._told: dict[str, int] = {}

    @property
    def ready(self) -> bool:
        return self._begun

    def begin(self, left: Left, *, now_ms: int) -> None:
        self._records, self._rejected = [], []
        self._slots = {symbol: mark.at_ms for symbol, mark in left.marks.items()}
        for record in left.records:
            slot_ms = from_iso(record.timestamp)
            self._slots[record.asset_id] = max(slot_ms, self._slots.get(record.asset_id, 0))
        self._told = dict(self._slots)
        self._begun = True

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        """What is missed cannot be had later."""

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        slot_ms = slot_of(now_ms, self._interval_ms)
        for topic, bodies in data.items():
            symbol = self._symbol_of.get(topic)
            if symbol is None or not self._begun or self._slots.get(symbol, 0) >= slot_ms:
                continue
            try:
                row = _ticker.decode(bodies[-1])
            except UNREADABLE as error:
                self._rejected.append(Rejected("bad_row", symbol, f"{error}: {words(bytes(bodies[-1]))}"))
                continue
            gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=now_ms)
            record = gathering.record(symbol, row.c, self.symbol_list.quotes)
            self._rejected += gathering.rejected
            if record is not None:
                self._fill(record, row)
                self._records.append(record)
                self._slots[symbol] = slot_ms

    def _fill(self, record: Ticker, row: _Ticker) -> None:
        record.last_updated = iso_of_ms(row.C)
        record.volume_24h, record.base_volume_24h, record.trades_24h = row.q, row.v, row.n
        record.high_24h, record.low_24h, record.open_24h = row.h, row.l, row.o
        record.price_change_24h, record.change_24h = row.p, row.P
        record.bid_price, record.ask_price = row.b, row.a
        record.interval_ms = self._interval_ms

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        return ()

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        """Nothing is asked for."""

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        """Nothing is asked for."""

    def collect(self, *, now_ms: int) -> Batch:
        records, self._records = self._records, []
        rejected, self._rejected = self._rejected, []
        marks = {
            symbol: Mark(str(slot_ms), slot_ms)
            for symbol, slot_ms in self._slots.items()
            if slot_ms != self._told.get(symbol)
        }
        self._told = dict(self._slots)
        return Batch(records, marks=marks, rejected=rejected)
