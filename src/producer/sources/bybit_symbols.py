"""Bybit's own list of what it trades: ``/v5/market/instruments-info`` in pages, or the old ``/v2/public/symbols``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cryptoproxy.common.errors import TransientError
from cryptoproxy.producer.sources.base import Call, Rejected
from cryptoproxy.producer.sources.quotes import Quotes
from cryptoproxy.producer.sources.refusals import UNREADABLE, not_spoken
from cryptoproxy.producer.sources.rows import RowReader, members, rows_apart, value_of

PAGE = "1000"
MAX_PAGES = 50
"""Far above what Bybit lists: a cursor that never ends is a fault."""


class _V5Pair(msgspec.Struct, rename={"quote": "quoteCoin"}):
    symbol: str
    quote: str


class _V2Pair(msgspec.Struct, rename={"symbol": "name", "quote": "quote_currency"}):
    symbol: str
    quote: str


_v5_reader = RowReader("bybit", _V5Pair)
_v2_reader = RowReader("bybit", _V2Pair)


class BybitSymbols:
    """The :class:`SymbolList` of one market of Bybit. Spot knows no pages."""

    def __init__(self, base_url: str, market: str, api: str, quotes: Quotes) -> None:
        self._v2 = api == "v2"
        self.quotes = quotes
        self.rejected: Sequence[Rejected] = ()
        self._pages = 0
        if self._v2:
            self._first = Call(f"{base_url}/v2/public/symbols")
        else:
            paging = {} if market == "spot" else {"limit": PAGE}
            self._first = Call(f"{base_url}/v5/market/instruments-info", params={"category": str(market), **paging})

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

    def load(self, bodies: Sequence[bytes]) -> int:
        listed: dict[str, str] = {}
        rejected: list[Rejected] = []
        for body in bodies:
            pairs: Sequence[_V5Pair | _V2Pair]
            pairs, odd = (_v2_reader if self._v2 else _v5_reader).read(_open(body)[0])
            listed.update({pair.symbol: pair.quote for pair in pairs})
            rejected += odd
        known = self.quotes.learn(listed)
        if not known:
            raise TransientError("bybit's list of symbols is empty")
        self.rejected = rejected
        return known


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
