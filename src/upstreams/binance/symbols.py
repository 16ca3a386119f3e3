"""Binance ``/api/v3/exchangeInfo``: which asset each pair is quoted in, and which pairs there are.

The whole market's list is many MB, nearly all of it filters and permissions: only three fields are decoded, and
for a few symbols only these are asked for, unless one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError
from cryptoproxy.upstreams.answers.quotes import COINS, NATIONAL, STABLE, Quotes, by_suffix
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader, members, rows_apart
from cryptoproxy.upstreams.answers.said import code_said
from cryptoproxy.upstreams.base import Call, Rejected, SymbolList

WEIGHT = 20

_GONE = ("PAX", "VAI", "UST", "BIDR", "BKRW", "IDRT", "BVND", "ZAR", "NGN")
_QUOTES = frozenset({*STABLE, *COINS, *NATIONAL, *_GONE, "EURI", "AEUR"})


class _Pair(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    quote_asset: str


_reader = RowReader("binance", _Pair)


@lru_cache(maxsize=16_384)
def quote_of(symbol: str) -> str:
    """What a symbol tells by itself."""
    return by_suffix(symbol, _QUOTES)


def symbols_parameter(symbols: Sequence[str]) -> dict[str, str]:
    """Binance takes a JSON array without blanks, always answers it with an array, and refuses a pair named twice."""
    return {"symbols": msgspec.json.encode(symbols).decode()} if symbols else {}


def is_wrong_name(body: bytes) -> bool:
    """Whether this is an error about a pair: invalid symbol, or illegal characters in one."""
    return code_said(body, "code") in (-1121, -1100)


class NamedPairs:
    """The pairs asked for by name. Binance refuses a whole call for one that it does not know, and does not say which;
    so the whole market is asked then, until it has shown which, and from then on only for those that are there. All are
    tried again when the list of symbols is read anew.

    Args:
        wanted: upper case, each once; none for the whole market.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self.wanted = tuple(wanted)
        self.wrong: frozenset[str] = frozenset()
        self.refused = False
        """Some are wrong, and it is not known yet which."""

    def to_ask(self) -> tuple[str, ...]:
        """The pairs to name in a call; none for the whole market.

        Raises:
            OperatorError: all of them are wrong.
        """
        if self.refused or not self.wanted:
            return ()
        if right := tuple(name for name in self.wanted if name not in self.wrong):
            return right
        raise OperatorError(
            f"binance knows none of BINANCE_SYMBOLS ({', '.join(self.wanted)[:200]})",
            remedy="Correct BINANCE_SYMBOLS; they are tried again when the list of symbols is read anew, once a day",
        )

    def found_wrong(self, absent: Iterable[str]) -> None:
        """``absent`` are not in the whole market. If all are there, it stays with the whole market."""
        self.wrong = frozenset(absent)
        self.refused = not self.wrong

    def try_all_again(self) -> None:
        self.wrong, self.refused = frozenset(), False


def _rows_of(body: bytes) -> bytes:
    try:
        return members(body)["symbols"]
    except (*UNREADABLE, ValueError):
        if (apart := rows_apart(body, "symbols")) is None:
            raise
        return apart[1]


class BinanceSymbols(SymbolList):
    """One call, no pages."""

    def __init__(self, base_url: str, names: NamedPairs, quotes: Quotes) -> None:
        super().__init__("binance", quotes)
        self._url = f"{base_url}/api/v3/exchangeInfo"
        self._names = names

    def next_call(self, previous: bytes | None) -> Call | None:
        if previous is not None:
            return None
        named = () if self._names.refused or self._names.wrong else self._names.wanted
        return Call(self._url, params=symbols_parameter(named), cost=WEIGHT)

    def load(self, bodies: Sequence[bytes]) -> int:
        known = super().load(bodies)
        self._names.try_all_again()
        return known

    def _quotes_in(self, body: bytes) -> tuple[Mapping[str, str], Sequence[Rejected]]:
        try:
            pairs, rejected = _reader.read(_rows_of(body))
        except (*UNREADABLE, ValueError, KeyError) as error:
            raise not_spoken("binance", body, error) from error
        return {pair.symbol: pair.quote_asset for pair in pairs}, rejected
