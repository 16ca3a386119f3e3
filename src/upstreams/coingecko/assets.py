"""CoinGecko ``/coins/{id}``: what a coin is. A call for each coin that is polled, once a day, spread over its hours.

Which coins the top are is asked for once a day: the list of this source. A poll asks for those whose turn it is: of
fifty coins and 24 slots the 1st, 25th and 49th at midnight, the 2nd, 26th and 50th in the next slot. Where the budget
stretches the interval the round takes longer, and still comes to each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cryptoproxy.datasets import ASSET, Asset, Feed, iso
from cryptoproxy.datasets.contracts.asset import NO_QUOTE
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.gathering import Doubt, reasons_of, usable_id
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.answers.rows import RowReader, read_each_field
from cryptoproxy.upstreams.answers.values import Number, Rank, iso_of_text
from cryptoproxy.upstreams.base import Call, IncompleteError, Poll, Rejected, Response, SymbolList
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.coins import is_unknown
from cryptoproxy.upstreams.coingecko.tickers import NAME, CoinGecko, MarketRow

MOST_SLOTS = 24
_BARE = dict.fromkeys(("localization", "tickers", "community_data", "developer_data", "sparkline"), "false")
_ANY = "bitcoin"
"""Stands for each of the coins while nobody knows which they are."""


class _Links(msgspec.Struct, gc=False):
    homepage: Any = None
    whitepaper: Any = None
    blockchain_site: Any = None
    subreddit_url: Any = None
    twitter_screen_name: Any = None
    repos_url: Any = None


class _Supply(msgspec.Struct, gc=False):
    circulating_supply: Any = None
    total_supply: Any = None
    max_supply: Any = None


class _Coin(msgspec.Struct, gc=False):
    """Each field is read by itself: one that is none costs no other."""

    id: str
    symbol: Any = None
    name: Any = None
    categories: Any = None
    platforms: Any = None
    market_cap_rank: Any = None
    market_data: Any = None
    links: Any = None
    image: Any = None
    genesis_date: Any = None
    hashing_algorithm: Any = None
    last_updated: Any = None


_rows = RowReader(NAME, MarketRow)


class TopCoins(SymbolList):
    """The ids of the top, the largest first, as ``tickers`` asks for them."""

    def __init__(self, tickers: CoinGecko) -> None:
        super().__init__(NAME, Quotes(lambda _: NO_QUOTE))
        self.ids: tuple[str, ...] = ()
        self._tickers = tickers
        self._page = 0

    def next_call(self, previous: bytes | None) -> Call | None:
        self._page = 0 if previous is None else self._page + 1
        return next(iter(self._tickers.calls()[self._page :]), None)

    def load(self, bodies: Sequence[bytes]) -> int:
        found = super().load(bodies)
        ids = (row.id for body in bodies for row in _rows.read(body)[0] if usable_id(row.id))
        self.ids = tuple(dict.fromkeys(ids))[: self._tickers.expected]
        return found

    def _quotes_in(self, body: bytes) -> tuple[Mapping[str, str], Sequence[Rejected]]:
        rows, rejected = _rows.read(body)
        return {row.id: NO_QUOTE for row in rows}, rejected


class CoinGeckoAssets:
    """The source ``coingecko.asset``.

    Args:
        tickers: what asks for the top.
        ids: these coins instead.
        slots: of a day; one asks for all at once.
    """

    feed = Feed(NAME, ASSET.name)
    upstream = NAME

    def __init__(self, access: Access, *, tickers: CoinGecko, ids: Sequence[str] = (), slots: int = 0) -> None:
        self._access = access
        self._named = tuple(dict.fromkeys(ids))
        self._count = len(self._named) or tickers.expected
        self._top = None if ids else TopCoins(tickers)
        self.symbol_list: SymbolList | None = self._top
        self.slots = slots or slots_of(self._count)
        self._asked: tuple[str, ...] = ()
        """By the poll under way."""
        self._doubt = Doubt()

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        if turn is None:  # of which coins does not matter: as many as the largest poll has
            known = self._coins() or (_ANY,) * self._count
            return [self._call(each) for each in known[:: self.slots]]
        if not (coins := self._coins()):
            raise TransientError("coingecko has not told yet which coins are the top")
        self._asked = coins[turn % self.slots :: self.slots]
        return [self._call(each) for each in self._asked]

    def check(self, answer: Response, *, now_ms: int) -> None:
        if not is_unknown(answer.body):
            self._access.check(answer, now_ms=now_ms)

    @property
    def expected(self) -> int:
        return -(-self._count // self.slots)

    def used(self, answer: Response) -> int | None:
        return None

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """Raises:
        IncompleteError: a body is no coin, or another one than was asked for, for the first time.
        TransientError: so are all, again: a poll of which nothing is kept is none.
        """
        records: list[Asset] = []
        rejected: list[Rejected] = []
        odd: dict[int, Rejected] = {}
        for number, (body, asked) in enumerate(zip(bodies, self._asked or [""] * len(bodies), strict=True)):
            if is_unknown(body):
                rejected.append(Rejected("absent", asked, "coingecko knows no such coin"))
                continue
            try:
                found = read_each_field(NAME, body, _Coin)
            except TransientError as error:
                odd[number] = Rejected("bad_row", asked, str(error))
                continue
            if not usable_id(found.id):
                rejected.append(Rejected("bad_id", found.id[:128] or asked, "the contract allows no ':', '/' or blank"))
            elif asked and found.id != asked:
                odd[number] = Rejected("bad_row", asked, f"coingecko answered with {found.id}")
            else:
                records.append(_record(found, iso(slot_ms), iso(fetched_at_ms)))
        why = reasons_of(odd.values())[:1000]
        if not self._doubt.believes(tuple(row.asset_id for row in odd.values())):
            raise IncompleteError(why, pages=tuple(odd))
        if odd and len(bodies) == len(odd):
            raise TransientError(why)
        return Poll(records, [*rejected, *odd.values()])

    def _coins(self) -> tuple[str, ...]:
        if self._top is None:
            return self._named
        # Until the list has come: what was the top when it was read before, by the file of known quotes.
        return self._top.ids or tuple(self._top.quotes.known)[: self._count]

    def _call(self, coin: str) -> Call:
        return self._access.call(f"coins/{coin}", **_BARE)


def slots_of(coins: int) -> int:
    """As many of the day as there are coins, up to one an hour: a part of 24, so that each has a coin."""
    return max(count for count in range(1, MOST_SLOTS + 1) if MOST_SLOTS % count == 0 and count <= max(1, coins))


def _record(coin: _Coin, timestamp: str, fetched_at: str) -> Asset:
    symbol = (_text(coin.symbol) or coin.id).upper()
    links, supply = _read(coin.links, _Links) or _Links(), _read(coin.market_data, _Supply) or _Supply()
    contracts = {chain: text for chain, told in _named(coin.platforms) if chain and (text := _text(told))}
    repositories = [each for _, told in _named(links.repos_url) for each in _texts(told) or ()]
    return Asset(
        source=NAME,
        asset_id=coin.id,
        symbol=symbol,
        name=_text(coin.name) or symbol,
        quote=NO_QUOTE,
        timestamp=timestamp,
        fetched_at=fetched_at,
        last_updated=iso_of_text(_text(coin.last_updated)),
        categories=_texts(coin.categories),
        platforms=list(contracts) or None,
        contracts=contracts or None,
        market_cap_rank=_read(coin.market_cap_rank, Rank),
        circulating_supply=_read(supply.circulating_supply, Number),
        total_supply=_read(supply.total_supply, Number),
        max_supply=_read(supply.max_supply, Number),
        genesis_date=_text(coin.genesis_date),
        hashing_algorithm=_text(coin.hashing_algorithm),
        homepages=_texts(links.homepage),
        explorers=_texts(links.blockchain_site),
        repositories=repositories or None,
        whitepaper=_text(links.whitepaper),
        subreddit=_text(links.subreddit_url),
        twitter=_text(links.twitter_screen_name),
        image=_text(dict(_named(coin.image)).get("large")),
    )


def _text(told: object) -> str | None:
    return told.strip() or None if isinstance(told, str) else None


def _texts(told: object) -> list[str] | None:
    """Those that say anything: CoinGecko fills its lists up with empty ones."""
    return [text for each in told if (text := _text(each))] or None if isinstance(told, list) else None


def _named(told: object) -> Sequence[tuple[str, Any]]:
    return list(told.items()) if isinstance(told, dict) else []


def _read(told: object, kind: Any) -> Any:
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError:
        return None
