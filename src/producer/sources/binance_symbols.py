"""Binance ``/api/v3/exchangeInfo``: which asset each pair is quoted in.

The whole market's list is many MB, nearly all of it filters and permissions: only three fields are decoded, and
for a few symbols only these are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cryptoproxy.common.errors import TransientError
from cryptoproxy.producer.sources.base import Call
from cryptoproxy.producer.sources.quotes import Quotes
from cryptoproxy.producer.sources.refusals import UNREADABLE, not_spoken
from cryptoproxy.producer.sources.rows import RowReader

WEIGHT = 20


class _Pair(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    quote_asset: str


class _ExchangeInfo(msgspec.Struct):
    symbols: msgspec.Raw


_info = msgspec.json.Decoder(_ExchangeInfo)
_reader = RowReader("binance", _Pair)


def symbols_parameter(symbols: Sequence[str]) -> dict[str, str]:
    """Binance takes a JSON array without blanks, always answers it with an array, and refuses a pair named twice."""
    return {"symbols": msgspec.json.encode(symbols).decode()} if symbols else {}


class BinanceSymbols:
    """The :class:`SymbolList` of Binance: one call, no pages."""

    def __init__(self, base_url: str, symbols: Sequence[str], quotes: Quotes) -> None:
        self._call = Call(f"{base_url}/api/v3/exchangeInfo", params=symbols_parameter(symbols), cost=WEIGHT)
        self._quotes = quotes

    def next_call(self, previous: bytes | None) -> Call | None:
        return self._call if previous is None else None

    def load(self, bodies: Sequence[bytes]) -> int:
        listed: dict[str, str] = {}
        for body in bodies:
            try:
                info = _info.decode(body)
            except UNREADABLE as error:
                raise not_spoken("binance", body, error) from error
            pairs, _ = _reader.read(bytes(info.symbols))
            listed.update({pair.symbol: pair.quote_asset for pair in pairs})
        known = self._quotes.learn(listed)
        if not known:
            raise TransientError("binance's list of symbols is empty")
        return known
