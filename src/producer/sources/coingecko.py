"""CoinGecko ``/coins/markets``: the top N by market cap, or coins by id.

One call gives at most 250 coins; a larger ``per_page`` is silently cut. The answer is made anew every 45 to 60 s,
so that polling faster gives the same rows. ``precision=full`` asks for the price as CoinGecko computed it, at the
same cost: without it bitcoin comes rounded to whole dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cryptoproxy.common.errors import TransientError
from cryptoproxy.producer.sources import coingecko_calls, coingecko_refusals
from cryptoproxy.producer.sources.base import Answer, Call, Poll, SymbolList
from cryptoproxy.producer.sources.coingecko_calls import Plan
from cryptoproxy.producer.sources.gathering import Gathering
from cryptoproxy.producer.sources.numbers import Number, Rank
from cryptoproxy.producer.sources.rows import RowReader
from cryptoproxy.producer.sources.times import iso_of_text

NAME = "coingecko"


class MarketRow(msgspec.Struct, gc=False):
    """What the record takes of a coin; the other 15 to 25 columns are skipped unread."""

    id: str
    symbol: str | None = None
    name: str | None = None
    current_price: Number = None
    market_cap: Number = None
    market_cap_rank: Rank = None
    total_volume: Number = None
    high_24h: Number = None
    low_24h: Number = None
    price_change_24h: Number = None
    price_change_percentage_24h: Number = None
    last_updated: str | None = None
    price_change_percentage_1h_in_currency: Number = None
    price_change_percentage_24h_in_currency: Number = None
    price_change_percentage_7d_in_currency: Number = None


class CoinGecko:
    """The source ``coingecko``.

    Args:
        base_url: another address than the plan's own.
        top_n: how many coins by market cap, where ``ids`` is empty.
        ids: these coins instead. An id that CoinGecko does not know is just not in the answer: it is
            rejected as ``absent``.
        quote: the currency of the prices, as CoinGecko spells it (``usd``); upper case in the record.
        api_key: of the demo or pro plan; a function is asked at each poll, so that a key may be exchanged.

    Raises:
        SettingsError: all that is wrong with the arguments.
    """

    name = NAME
    upstream = NAME
    symbol_list: SymbolList | None = None

    def __init__(
        self,
        *,
        base_url: str | None = None,
        top_n: int = 50,
        ids: Sequence[str] = (),
        quote: str = "usd",
        plan: Plan = Plan.KEYLESS,
        api_key: str | Callable[[], str | None] | None = None,
    ) -> None:
        coingecko_calls.verify(top_n=top_n, ids=ids, quote=quote)
        self._top_n = top_n
        self._ids = tuple(dict.fromkeys(ids))
        self._quote = quote.upper()
        self._plan = plan
        self._api_key = api_key
        self._base_url = (base_url or coingecko_calls.BASE_URLS[plan]).rstrip("/")
        self._url = f"{self._base_url}/coins/markets"
        self._questions = tuple(coingecko_calls.questions(top_n=top_n, ids=self._ids, quote=quote.lower()))
        self._reader = RowReader(NAME, MarketRow)

    def calls(self) -> Sequence[Call]:
        headers = coingecko_calls.key_header(self._plan, self._key())
        return [Call(self._url, params=question, headers=headers) for question in self._questions]

    def check(self, answer: Answer, *, now_ms: int) -> None:
        coingecko_refusals.check(
            answer, now_ms=now_ms, secret=self._key() or "", plan=self._plan, base_url=self._base_url
        )

    def used(self, answer: Answer) -> int | None:
        return None  # CoinGecko tells it only on its account page

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """Pages are answered a moment apart, so a coin may slip onto two: its first row counts.

        Raises:
            TransientError: a body is no array, the first page of the top N is empty, or no id was known. An
                empty later page is the end of the market.
        """
        gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        anything = False
        for page, body in enumerate(bodies):
            rows, rejected = self._reader.read(body)
            anything = anything or bool(rows or rejected)
            if page == 0 and not anything and not self._ids:
                raise TransientError("coingecko answered with no rows")
            gathering.rejected += rejected
            self._take(rows, gathering)
        if not anything:
            raise TransientError(f"coingecko knows none of COINGECKO_IDS ({', '.join(self._ids)[:200]})")
        for asset_id in self._ids:
            if asset_id not in gathering.seen:
                gathering.reject("absent", asset_id, "asked for by COINGECKO_IDS, not in the answer")
        return gathering.poll()

    def _take(self, rows: list[MarketRow], gathering: Gathering) -> None:
        most = len(self._ids) or self._top_n
        seen, records, quote = gathering.seen, gathering.records, self._quote
        for row in rows:
            if len(seen) >= most and row.id not in seen:
                continue  # the last page of 250 goes beyond N
            price = gathering.price_of(row.id, row.current_price)
            if price is None:
                continue
            symbol = (row.symbol or row.id).upper()
            change_24h = row.price_change_percentage_24h
            if change_24h is None:  # the same number with more digits
                change_24h = row.price_change_percentage_24h_in_currency
            record = gathering.record(
                asset_id=row.id,
                symbol=symbol,
                name=row.name or symbol,
                quote=quote,
                price=price,
            )
            record.last_updated = iso_of_text(row.last_updated)
            record.market_cap = row.market_cap
            record.market_cap_rank = row.market_cap_rank
            record.volume_24h = row.total_volume
            record.high_24h = row.high_24h
            record.low_24h = row.low_24h
            record.change_1h = row.price_change_percentage_1h_in_currency
            record.change_24h = change_24h
            record.change_7d = row.price_change_percentage_7d_in_currency
            record.price_change_24h = row.price_change_24h
            records.append(record)

    def _key(self) -> str | None:
        if self._plan is Plan.KEYLESS:
            return None
        key = self._api_key() if callable(self._api_key) else self._api_key
        return key.strip() if key else None
