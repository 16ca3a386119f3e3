"""CoinGecko's calls about single coins, and what a coin is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cryptoproxy.upstreams.answers.rows import RowReader
from cryptoproxy.upstreams.answers.said import said
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.tickers import NAME, PAGE, MarketRow, chunks
from cryptoproxy.upstreams.history import Start

_UNKNOWN = ("coin not found", "could not find coin")
_reader = RowReader(NAME, MarketRow)


class Coins:
    """Args:
    quote: the currency of the prices, as CoinGecko spells it.
    """

    def __init__(self, access: Access, *, quote: str = "usd") -> None:
        self.quote = quote.upper()
        self.plan = access.plan
        self.check = access.check
        self._access = access

    def call(self, path: str, **params: str) -> Call:
        """Raises:
        OperatorError: the plan needs a key and there is none.
        """
        return self._access.call(f"coins/{path}", vs_currency=self.quote.lower(), **params)

    def knows(self, body: bytes) -> bool:
        """See :func:`is_unknown`."""
        return not is_unknown(body)

    def names_calls(self, ids: Sequence[str]) -> list[Call]:
        """Bars and charts do not say what a coin is called; its market does."""
        return [self.call("markets", ids=",".join(chunk), per_page=str(PAGE)) for chunk in chunks(ids)]


def is_unknown(body: bytes) -> bool:
    """Whether this is the answer about a coin that CoinGecko does not know. A coin's own words may say anything."""
    words = said(body, "error", "error_message").lower()
    return any(each in words for each in _UNKNOWN)


def started(symbol: str, answer: Response) -> Start:
    """What a coin is called; a begin is not told. One whose row cannot be read is there, and keeps its id as a name."""
    rows, rejected = _reader.read(answer.body)
    found = _names(rows).get(symbol)
    if found is None:
        return Start(0 if rejected else None)
    return Start(0, symbol=found[0], name=found[1])


def names_in(bodies: Iterable[bytes]) -> Mapping[str, tuple[str, str]]:
    """Symbol and name by id."""
    return _names(row for body in bodies for row in _reader.read(body)[0])


def _names(rows: Iterable[MarketRow]) -> dict[str, tuple[str, str]]:
    return {row.id: ((row.symbol or row.id).upper(), row.name or row.id) for row in rows}
