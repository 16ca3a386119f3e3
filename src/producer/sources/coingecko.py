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
from cryptoproxy.producer.sources.base import Answer, Call, IncompleteError, Poll, SymbolList
from cryptoproxy.producer.sources.coingecko_calls import Plan
from cryptoproxy.producer.sources.gathering import Doubt, Gathering
from cryptoproxy.producer.sources.numbers import Number, Rank
from cryptoproxy.producer.sources.rows import RowReader
from cryptoproxy.producer.sources.times import iso_of_text

NAME = "coingecko"

GAP = 0.9
"""Less than this part of a page, with a longer one behind it, is never taken for whole."""


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
        self._sizes = coingecko_calls.sizes(self._questions, top_n=top_n)
        self._doubt = Doubt()
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
            IncompleteError: a page is short with a longer one behind it, or is another page once more; or, for the
                first time, the last pages are short, which may be the end of the market, or half of the ids.
            TransientError: a body is no array, or no row of them is a record.
        """
        gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        sizes: list[int] = []
        for page, body in enumerate(bodies):
            rows, rejected = self._reader.read(body)
            before = len(gathering.seen)
            gathering.rejected += rejected
            self._take(rows, gathering)
            if page and 2 * (len(gathering.seen) - before) < min(len(rows), self._sizes[page]):
                self._require_new(bodies, page)
            sizes.append(len(rows) + len(rejected))
        if not any(sizes):
            known = f"knows none of COINGECKO_IDS ({', '.join(self._ids)[:200]})"
            raise TransientError(f"coingecko {known if self._ids else 'answered with no rows'}")
        self._require_whole(sizes, gathering)
        gathering.reject_absent(self._ids, "asked for by COINGECKO_IDS, not in the answer")
        return gathering.poll()

    def _require_whole(self, sizes: Sequence[int], gathering: Gathering) -> None:
        """Any id may be unknown, so of ids half of a page is taken for whole."""
        short = [page for page, size in enumerate(sizes) if size < self._sizes[page] / (2 if self._ids else 1)]
        told = "; ".join(f"page {page + 1} has {sizes[page]} of {self._sizes[page]} coins" for page in short)
        last = max(page for page, size in enumerate(sizes) if size)
        gaps = [page for page in short if page < last and sizes[page] < GAP * self._sizes[page] and not self._ids]
        if gaps or not self._doubt.believes(tuple(short)):
            raise IncompleteError(f"coingecko's answer is not whole: {told}", pages=gaps or short)
        for page in short:
            gathering.reject("short", f"page {page + 1}", f"{sizes[page]} of {self._sizes[page]} coins came, twice")

    def _require_new(self, bodies: Sequence[bytes], page: int) -> None:
        """Half of a page, which was hardly a new coin, was on another one. Which of both is the wrong one, nobody
        knows: they are asked for again."""
        ids = [{row.id for row in self._reader.read(body)[0]} for body in bodies[: page + 1]]
        same = [number for number, each in enumerate(ids) if each & ids[page]]
        if 2 * len(ids[page] & set().union(*ids[:page])) > len(ids[page]):
            pages = " and ".join(str(number + 1) for number in same)
            raise IncompleteError(f"coingecko's pages {pages} hold the same coins", pages=same)

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
