"""Binance spot ``/api/v3/ticker/24hr``: chosen symbols, or the whole market in one answer.

All numbers come as text, ids, times and counts as numbers. Pairs that are halted stay in the answer with
``count`` 0, zero prices and a ``closeTime`` weeks old.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from cryptoproxy.common.errors import SettingsError, TransientError
from cryptoproxy.producer.sources import binance_refusals, quotes
from cryptoproxy.producer.sources.base import Answer, Call, Poll
from cryptoproxy.producer.sources.binance_symbols import BinanceSymbols, symbols_parameter
from cryptoproxy.producer.sources.gathering import Gathering, usable_id
from cryptoproxy.producer.sources.numbers import Number, Whole
from cryptoproxy.producer.sources.rows import RowReader
from cryptoproxy.producer.sources.times import iso_of_ms

NAME = "binance"
BASE_URL = "https://api.binance.com"
DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT")

MAX_NAMED = 100
"""With more symbols the call weighs as much as the whole market, so that is asked for, and cut here."""

_WEIGHTS = ((20, 2), (MAX_NAMED, 40))  # up to so many symbols: weight
_MARKET_WEIGHT = 80
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
        symbols: pairs to ask for; none means the whole market. A pair unknown to Binance makes it refuse the
            whole call (up to 100 pairs) or is rejected as ``absent`` (above).

    Raises:
        SettingsError: a symbol that no exchange can have.
    """

    name = NAME
    upstream = NAME

    def __init__(self, *, base_url: str = BASE_URL, symbols: Sequence[str] = DEFAULT_SYMBOLS) -> None:
        if faults := [
            f"BINANCE_SYMBOLS holds {symbol!r}, which is no symbol"
            for symbol in symbols
            if not usable_id(symbol) or '"' in symbol or "," in symbol
        ]:
            raise SettingsError(faults)
        wanted = tuple(dict.fromkeys(symbol.upper() for symbol in symbols))
        self._wanted = frozenset(wanted)
        self._cut = len(wanted) > MAX_NAMED
        self._quotes = quotes.Quotes(quotes.of_binance)
        named = () if self._cut else wanted
        base_url = base_url.rstrip("/")
        self.symbol_list = BinanceSymbols(base_url, named, self._quotes)
        self._calls = (
            Call(f"{base_url}/api/v3/ticker/24hr", params=symbols_parameter(named), cost=weight(len(named))),
        )
        self._reader = RowReader(NAME, TickerRow)

    def calls(self) -> Sequence[Call]:
        return self._calls

    def check(self, answer: Answer, *, now_ms: int) -> None:
        binance_refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Answer) -> int | None:
        """The weight used in this minute by everybody behind our address."""
        for header in ("x-mbx-used-weight-1m", "x-mbx-used-weight"):
            if _digits.fullmatch(value := answer.headers.get(header, "")):
                return int(value)
        return None

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """``volume`` counts the base asset, ``quoteVolume`` the quote.

        Raises:
            TransientError: a body is no array, or all of them are empty.
        """
        gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        for body in bodies:
            rows, rejected = self._reader.read(body if body.lstrip()[:1] != b"{" else self._array(body))
            gathering.rejected += rejected
            self._take(rows, gathering)
        if not gathering.records and not gathering.rejected:
            raise TransientError("binance answered with no rows")
        for symbol in self._wanted if self._cut else ():
            if symbol not in gathering.seen:
                gathering.reject("absent", symbol, "asked for by BINANCE_SYMBOLS, not in the answer")
        return gathering.poll()

    def _array(self, body: bytes) -> bytes:
        """The answer to ``symbol=…``, one ticker without an array around it. The oldest ones do not name the pair:
        it is the one asked for."""
        if len(self._wanted) == 1 and b'"symbol"' not in body and b'"lastPrice"' in body:
            body = b'{"symbol":' + msgspec.json.encode(*self._wanted) + b"," + body.lstrip()[1:]
        return b"[" + body + b"]"

    def _take(self, rows: list[TickerRow], gathering: Gathering) -> None:
        wanted = self._wanted if self._cut else None
        quote_of, records = self._quotes.of, gathering.records
        for row in rows:
            symbol = row.symbol
            if wanted is not None and symbol not in wanted:
                continue
            if row.count == 0:
                gathering.seen.add(symbol)
                gathering.reject("halted", symbol, "no trade in 24 h")
                continue
            price = gathering.price_of(symbol, row.last_price)
            if price is None:
                continue
            record = gathering.record(
                asset_id=symbol,
                symbol=symbol,
                name=symbol,
                quote=quote_of(symbol),
                price=price,
            )
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
