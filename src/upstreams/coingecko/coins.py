"""CoinGecko's calls about single coins: with the plan's address and key, and what a coin is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cryptoproxy.upstreams.base import Answer, Call
from cryptoproxy.upstreams.coingecko import refusals
from cryptoproxy.upstreams.coingecko.plans import BASE_URLS, Plan, key_header
from cryptoproxy.upstreams.coingecko.tickers import NAME, PAGE, MarketRow, chunks
from cryptoproxy.upstreams.rows import RowReader

_UNKNOWN = (b"coin not found", b"could not find coin")
_reader = RowReader(NAME, MarketRow)


class Coins:
    """Args: as :class:`tickers.CoinGecko`."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        quote: str = "usd",
        plan: Plan = Plan.KEYLESS,
        api_key: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.quote = quote.upper()
        self.plan = plan
        self._base_url = (base_url or BASE_URLS[plan]).rstrip("/")
        self._api_key = api_key

    def call(self, path: str, **params: str) -> Call:
        """Raises:
        OperatorError: the plan needs a key and there is none.
        """
        headers = key_header(self.plan, self._api_key())
        return Call(f"{self._base_url}/coins/{path}", {"vs_currency": self.quote.lower(), **params}, headers)

    def check(self, answer: Answer, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms, secret=self._api_key() or "", plan=self.plan, base_url=self._base_url)

    def knows(self, body: bytes) -> bool:
        """False for the answer about a coin that CoinGecko does not know."""
        return body.lstrip()[:1] != b"{" or not any(each in body[:300].lower() for each in _UNKNOWN)

    def names_calls(self, ids: Sequence[str]) -> list[Call]:
        """Bars and charts do not say what a coin is called; its market does."""
        return [self.call("markets", ids=",".join(chunk), per_page=str(PAGE)) for chunk in chunks(ids)]


def names_in(bodies: Iterable[bytes]) -> Mapping[str, tuple[str, str]]:
    """Symbol and name by id."""
    return {
        row.id: ((row.symbol or row.id).upper(), row.name or row.id) for body in bodies for row in _reader.read(body)[0]
    }
