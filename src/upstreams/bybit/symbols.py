"""Bybit's symbols: its markets, what a symbol tells by itself, those that are named, and its own list.

The list is ``/v5/market/instruments-info`` in pages, or the old ``/v2/public/symbols``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.quotes import COINS, NATIONAL, STABLE, UNKNOWN, Quotes, by_suffix
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader, members, rows_apart, value_of
from cryptoproxy.upstreams.base import Call, Rejected, SymbolList

_SPOT_QUOTES = frozenset({*STABLE, *COINS, *NATIONAL, "EURQ", "EURR", "USDQ", "USDR", "BRZ", "MNT", "AEUR"})
_dated = re.compile(r"-\d{1,2}[A-Z]{3}\d{2}\Z")  # BTC-26MAR26, BTCUSDT-26DEC25
_inverse = re.compile(r".+USD([FGHJKMNQUVXZ]\d{2})?\Z")  # BTCUSD, BTCUSDH23

PAGE = "1000"
MAX_PAGES = 50
"""Far above what Bybit lists: a cursor that never ends is a fault."""


class Category(enum.StrEnum):
    LINEAR = "linear"
    INVERSE = "inverse"
    SPOT = "spot"


class Api(enum.StrEnum):
    """Which path is asked. Either shape is read, whatever was asked."""

    V5 = "v5"
    V2 = "v2"


@lru_cache(maxsize=16_384)
def spot_quote(symbol: str) -> str:
    return by_suffix(symbol, _SPOT_QUOTES)


@lru_cache(maxsize=16_384)
def linear_quote(symbol: str) -> str:
    """``BTCPERP`` and ``BTC-26MAR26``, which name no quote, are the contracts in USDC."""
    pair = _dated.sub("", symbol)
    for quote in ("USDT", "USDC"):
        if pair.endswith(quote) and pair != quote:
            return quote
    names_none = "USD" not in pair[1:] and (pair != symbol or (pair.endswith("PERP") and pair != "PERP"))
    return "USDC" if pair and names_none else UNKNOWN


@lru_cache(maxsize=16_384)
def inverse_quote(symbol: str) -> str:
    """All of them are in USD, which DOTUSD, though it ends with TUSD, shows no suffix table could tell."""
    return "USD" if _inverse.match(symbol) else UNKNOWN


QUOTE_OF = {Category.LINEAR: linear_quote, Category.INVERSE: inverse_quote, Category.SPOT: spot_quote}


class NamedSymbols:
    """BYBIT_SYMBOLS over all markets that are polled: ``BTCUSD`` is not a linear contract, and yet no wrong name.

    Args:
        markets: those that are polled.
    """

    def __init__(self, wanted: Iterable[str], markets: Iterable[str]) -> None:
        self.wanted = frozenset(symbol.upper() for symbol in wanted)
        self._missing: dict[str, frozenset[str]] = dict.fromkeys(map(str, markets), frozenset())

    def nowhere(self, market: str, missing: Iterable[str]) -> frozenset[str]:
        """``missing`` is what ``market`` lacks of them. What every market lacks; nothing while one has not answered."""
        self._missing[market] = frozenset(missing)
        return frozenset.intersection(*self._missing.values())


class _V5Pair(msgspec.Struct, rename={"quote": "quoteCoin"}):
    symbol: str
    quote: str


class _V2Pair(msgspec.Struct, rename={"symbol": "name", "quote": "quote_currency"}):
    symbol: str
    quote: str


_v5_reader = RowReader("bybit", _V5Pair)
_v2_reader = RowReader("bybit", _V2Pair)


class BybitSymbols(SymbolList):
    """One market's. Spot knows no pages."""

    def __init__(self, base_url: str, market: Category, api: Api, quotes: Quotes) -> None:
        super().__init__("bybit", quotes)
        self._v2 = api is Api.V2
        self._pages = 0
        if self._v2:
            self._first = Call(f"{base_url}/v2/public/symbols")
        else:
            paging = {} if market is Category.SPOT else {"limit": PAGE}
            self._first = Call(f"{base_url}/v5/market/instruments-info", params={"category": market.value, **paging})

    def next_call(self, previous: bytes | None) -> Call | None:
        if previous is None:
            self._pages = 1
            return self._first
        cursor = None if self._v2 else _open(previous)[1]
        if not cursor:
            return None
        self._pages += 1
        if self._pages > MAX_PAGES:
            raise TransientError(f"bybit's list of symbols does not end after {MAX_PAGES} pages")
        return Call(self._first.url, params={**self._first.params, "cursor": cursor})

    def _quotes_in(self, body: bytes) -> tuple[Mapping[str, str], Sequence[Rejected]]:
        pairs: Sequence[_V5Pair | _V2Pair]
        pairs, rejected = (_v2_reader if self._v2 else _v5_reader).read(_open(body)[0])
        return {pair.symbol: pair.quote for pair in pairs}, rejected


def _open(body: bytes) -> tuple[bytes, str | None]:
    """The rows of a page, and where the next one begins.

    Raises:
        TransientError: not the envelope of a list.
    """
    try:
        return _opened(body)
    except TransientError:
        if (apart := rows_apart(body, "list", "result")) is None:
            raise
    return apart[1], _opened(apart[0])[1]


def _opened(body: bytes) -> tuple[bytes, str | None]:
    try:
        result = members(body)["result"]
        if result[:1] == b"[":
            return result, None
        opened = members(result)
        cursor = value_of(opened.get("nextPageCursor"))
        return opened["list"], cursor if isinstance(cursor, str) else None
    except (*UNREADABLE, ValueError, KeyError) as error:
        raise not_spoken("bybit", body, error) from error
