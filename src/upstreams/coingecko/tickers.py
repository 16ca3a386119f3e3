"""CoinGecko ``/coins/markets``: the top N by market cap, or coins by id.

One call gives at most 250 coins; a larger ``per_page`` is silently cut. The answer is made anew every 45 to 60 s,
so that polling faster gives the same rows. ``precision=full`` asks for the price as CoinGecko computed it, at the
same cost: without it bitcoin comes rounded to whole dollars.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote as url_quote

import msgspec

from cryptoproxy.datasets import Feed
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.answers.gathering import Doubt, Gathering, usable_id
from cryptoproxy.upstreams.answers.rows import RowReader
from cryptoproxy.upstreams.answers.values import Number, Rank, iso_of_text
from cryptoproxy.upstreams.base import Call, IncompleteError, Poll, Response, SymbolList
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.plans import Plan

NAME = "coingecko"

PAGE = 250
"""Most coins in one answer; CoinGecko cuts a larger ``per_page`` without a word."""

MAX_IDS_LENGTH = 6000
"""Most characters of the encoded ids: servers commonly take a request line of 8 KiB."""

GAP = 0.9
"""Less than this part of a page, with a longer one behind it, is never taken for whole."""

_QUOTE = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)


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
        category: the top of this one, where ``ids`` is empty; it may end before N.
        rehypothecated: whether coins that stand for others (WETH, stETH) count as well. ``ids`` finds them in any case.
        quote: the currency of the prices, as CoinGecko spells it (``usd``); upper case in the record.
        api_key: of the demo or pro plan; a function is asked at each poll, so that a key may be exchanged.

    Raises:
        SettingsError: all that is wrong with the arguments.
    """

    feed = Feed(NAME)
    upstream = NAME
    symbol_list: SymbolList | None = None

    def __init__(
        self,
        *,
        base_url: str | None = None,
        top_n: int = 50,
        ids: Sequence[str] = (),
        category: str | None = None,
        rehypothecated: bool = False,
        quote: str = "usd",
        plan: Plan = Plan.KEYLESS,
        api_key: str | Callable[[], str | None] | None = None,
    ) -> None:
        verify(top_n=top_n, ids=ids, category=category, quote=quote)
        self._top_n = top_n
        self._ids = tuple(dict.fromkeys(ids))
        self._quote = quote.upper()
        key = api_key if callable(api_key) else lambda: api_key
        self._access = Access(plan, address=base_url, api_key=key)
        more = {"category": category} if category else {}
        if rehypothecated:
            more["include_rehypothecated"] = "true"
        asked = questions(top_n=top_n, ids=self._ids, quote=quote.lower())
        self._questions = tuple({**question, **more} for question in asked)
        self._sizes = sizes(self._questions, top_n=top_n)
        self._ends = category is not None
        self._doubt = Doubt()
        self._reader = RowReader(NAME, MarketRow)

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        return [self._access.call("coins/markets", **question) for question in self._questions]

    def check(self, answer: Response, *, now_ms: int) -> None:
        self._access.check(answer, now_ms=now_ms)

    @property
    def expected(self) -> int:
        return len(self._ids) or self._top_n

    def used(self, answer: Response) -> int | None:
        return None  # CoinGecko tells it only on its account page

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """Pages are answered a moment apart, so a coin may slip onto two: its first row counts.

        Raises:
            IncompleteError: a page is no array, is short with a longer one behind it, or is another page once more; or,
                for the first time, the last pages are short, which may be the end of the market, or half of the ids.
            TransientError: no row of them is a record.
        """
        gathering = Gathering(NAME, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        sizes: list[int] = []
        for page, body in enumerate(bodies):
            try:
                rows, rejected = self._reader.read(body)
            except TransientError as error:  # the other pages need not be asked for again
                raise IncompleteError(f"page {page + 1}: {error}", pages=[page]) from error
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
        for page in () if self._ends else short:  # a category has as many coins as it has
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
            symbol = (row.symbol or row.id).upper()
            record = gathering.record(row.id, row.current_price, quote, symbol=symbol, name=row.name or symbol)
            if record is None:
                continue
            change_24h = row.price_change_percentage_24h
            if change_24h is None:  # the same number with more digits
                change_24h = row.price_change_percentage_24h_in_currency
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


def verify(*, top_n: int, ids: Sequence[str], category: str | None, quote: str) -> None:
    """Refuses what CoinGecko would misread without a word: after a blank in ``ids`` it loses all later ones.

    Raises:
        SettingsError: with every fault.
    """
    faults = [
        f"COINGECKO_IDS holds {asset_id!r}; an id has no ',', ':', '/' or blank"
        for asset_id in ids
        if "," in asset_id or not usable_id(asset_id)
    ]
    if top_n < 1:
        faults.append(f"COINGECKO_TOP_N={top_n} must be 1 or more")
    if ids and category:
        faults.append("COINGECKO_CATEGORY chooses among the top, COINGECKO_IDS names the coins: set one of them")
    if not _QUOTE.fullmatch(quote):
        faults.append(f"COINGECKO_QUOTE={quote!r} is not a currency like usd")
    if faults:
        raise SettingsError(faults)


def questions(*, top_n: int, ids: Sequence[str], quote: str) -> Iterator[Mapping[str, str]]:
    """The query of each call: pages of the top N, all of one size so that they meet, or chunks of ids."""
    common = {
        "vs_currency": quote,
        "order": "market_cap_desc",
        "price_change_percentage": "1h,24h,7d",
        "precision": "full",
    }
    if ids:
        for chunk in chunks(ids):
            yield {**common, "ids": ",".join(chunk), "per_page": str(PAGE), "page": "1"}
        return
    per_page = min(PAGE, top_n)
    for page in range(1, -(-top_n // per_page) + 1):
        yield {**common, "per_page": str(per_page), "page": str(page)}


def sizes(questions: Sequence[Mapping[str, str]], *, top_n: int) -> tuple[int, ...]:
    """How many coins of each answer are wanted: a page's, as far as N goes, or those that are named."""
    return tuple(
        question["ids"].count(",") + 1
        if "ids" in question
        else min(int(question["per_page"]), top_n - page * int(question["per_page"]))
        for page, question in enumerate(questions)
    )


def chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in portions that fit into one page and one URL, in which a comma takes three characters."""
    chunk: list[str] = []
    length = 0
    for asset_id in ids:
        more = len(url_quote(asset_id, safe="")) + 3
        if chunk and (len(chunk) == PAGE or length + more > MAX_IDS_LENGTH):
            yield chunk
            chunk, length = [], 0
        chunk.append(asset_id)
        length += more
    if chunk:
        yield chunk
