"""Binance spot ``/api/v3/ticker/24hr``: chosen symbols, or the whole market in one answer.

All numbers come as text, ids, times and counts as numbers. Pairs that are halted stay in the answer with
``count`` 0, zero prices and a ``closeTime`` weeks old.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from cryptoproxy.datasets import Feed
from cryptoproxy.errors import OperatorError, SettingsError, TransientError
from cryptoproxy.upstreams.answers.gathering import Doubt, Gathering, usable_id
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.answers.rows import RowReader
from cryptoproxy.upstreams.answers.values import Number, Whole, iso_of_ms
from cryptoproxy.upstreams.base import Call, IncompleteError, Poll, RephrasedError, Response
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.symbols import BinanceSymbols, NamedPairs, is_wrong_name, quote_of, symbols_parameter

NAME = "binance"
BASE_URL = "https://api.binance.com"

MAX_NAMED = 100
"""With more symbols the call weighs as much as the whole market, so that is asked for, and cut here."""

_WEIGHTS = ((20, 2), (MAX_NAMED, 40))  # up to so many symbols: weight
_MARKET_WEIGHT = 80
_MARKET_SIZE = 2_500
_digits = re.compile(r"\d{1,9}", re.ASCII)


class TickerRow(msgspec.Struct, rename="camel", gc=False):
    """What the record takes of a ticker, in the order of the answer, in which they are found fastest."""

    symbol: str
    price_change: Number = None
    price_change_percent: Number = None
    last_price: Number = None
    bid_price: Number = None
    ask_price: Number = None
    open_price: Number = None
    high_price: Number = None
    low_price: Number = None
    volume: Number = None
    quote_volume: Number = None
    close_time: Whole = None
    count: Whole = None


class Binance:
    """The source ``binance``.

    Args:
        symbols: pairs to ask for; none means the whole market. A pair unknown to Binance is rejected as ``absent``.

    Raises:
        SettingsError: a symbol that no exchange can have.
    """

    feed = Feed(NAME)
    upstream = NAME

    def __init__(self, *, base_url: str = BASE_URL, symbols: Sequence[str] = ()) -> None:
        if faults := [
            f"BINANCE_SYMBOLS holds {symbol!r}, which is no symbol"
            for symbol in symbols
            if not usable_id(symbol) or '"' in symbol or "," in symbol
        ]:
            raise SettingsError(faults)
        wanted = tuple(dict.fromkeys(symbol.upper() for symbol in symbols))
        self._wanted = frozenset(wanted)
        self._quotes = Quotes(quote_of)
        self._names = NamedPairs(wanted if len(wanted) <= MAX_NAMED else ())
        self._doubt, self._absent = Doubt(), Doubt()
        base_url = base_url.rstrip("/")
        self.symbol_list = BinanceSymbols(base_url, self._names, self._quotes)
        self._url = f"{base_url}/api/v3/ticker/24hr"
        self._reader = RowReader(NAME, TickerRow)

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        named = self._names.to_ask()
        return (Call(self._url, params=symbols_parameter(named), cost=weight(len(named))),)

    def check(self, answer: Response, *, now_ms: int) -> None:
        try:
            refusals.check(answer, now_ms=now_ms)
        except OperatorError as error:
            # The whole market, which is asked since some were refused, holds no name that could be wrong.
            if not self._names.wanted or self._names.refused or not is_wrong_name(answer.body):
                raise
            self._names.refused = True
            told = "binance does not know all of BINANCE_SYMBOLS; its whole market tells which"
            raise RephrasedError(told) from error

    @property
    def expected(self) -> int:
        return len(self._wanted) or _MARKET_SIZE

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """``volume`` counts the base asset, ``quoteVolume`` the quote.

        Raises:
            IncompleteError: the whole market, asked which names are wrong, lacks some of them for the first time.
            TransientError: a body is no array, or no row of it is a record.
        """
        gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        size, unread = 0, False
        for body in bodies:
            rows, rejected = self._reader.read(body if body.lstrip()[:1] != b"{" else self._array(body))
            size, unread = size + len(rows), unread or bool(rejected)
            gathering.reject_rows(rejected, self._wanted)
            self._take(rows, gathering)
        if not (size or unread):
            raise TransientError("binance answered with no rows")
        absent = gathering.reject_absent(self._wanted, "asked for by BINANCE_SYMBOLS, and not at Binance")
        self._doubt.check_market(gathering)
        if self._names.refused:
            if not self._absent.believes(tuple(absent)):
                raise IncompleteError(f"binance's whole market lacks {', '.join(absent)[:200]}", pages=[0])
            # A wrong name is not asked for again for a day: a row that cannot be read may be one of them, and so few
            # rows are no market.
            if not unread and size > MAX_NAMED:
                self._names.found_wrong(absent)
        return gathering.poll()

    def _array(self, body: bytes) -> bytes:
        """The answer to ``symbol=…``, one ticker without an array around it. The oldest ones do not name the pair:
        it is the one asked for."""
        if len(self._wanted) == 1 and b'"symbol"' not in body and b'"lastPrice"' in body:
            body = b'{"symbol":' + msgspec.json.encode(*self._wanted) + b"," + body.lstrip()[1:]
        return b"[" + body + b"]"

    def _take(self, rows: list[TickerRow], gathering: Gathering) -> None:
        wanted = self._wanted or None
        quotes, records = self._quotes, gathering.records
        for row in rows:
            symbol = row.symbol
            if wanted is not None and symbol not in wanted:
                continue
            if row.count == 0:
                gathering.seen.add(symbol)
                gathering.reject("halted", symbol, "no trade in 24 h")
                continue
            record = gathering.record(symbol, row.last_price, quotes)
            if record is None:
                continue
            record.last_updated = iso_of_ms(row.close_time)
            record.volume_24h = row.quote_volume
            record.high_24h = row.high_price
            record.low_24h = row.low_price
            record.change_24h = row.price_change_percent
            record.open_24h = row.open_price
            record.base_volume_24h = row.volume
            record.trades_24h = row.count
            record.price_change_24h = row.price_change
            record.bid_price = row.bid_price
            record.ask_price = row.ask_price
            records.append(record)


def weight(named: int) -> int:
    """What the call weighs of the 6,000 a minute; 0 named symbols are the whole market."""
    if not named:
        return _MARKET_WEIGHT
    return next((cost for most, cost in _WEIGHTS if named <= most), _MARKET_WEIGHT)


def used_weight(answer: Response) -> int | None:
    """The weight used in this minute by everybody behind our address."""
    for header in ("x-mbx-used-weight-1m", "x-mbx-used-weight"):
        if _digits.fullmatch(value := answer.headers.get(header, "")):
            return int(value)
    return None
