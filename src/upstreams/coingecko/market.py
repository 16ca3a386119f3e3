"""CoinGecko's market-wide figures: ``/global``, ``/search/trending`` and ``/exchanges``, three calls a poll.

They are made anew every 10 minutes (exchanges every minute). Of the sixty currencies of ``/global`` the dollar and the
currency of the prices are taken. ``/exchanges`` comes by trust rank and cannot be asked for by volume: of its first
page, as long as it gets, the largest hundred are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cryptoproxy.datasets import Feed, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.contracts.market import MARKET, METRIC, Market
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.gathering import Doubt, usable_id
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader, members, read_each_field
from cryptoproxy.upstreams.answers.values import Number, iso_of_ms, ms_of_seconds
from cryptoproxy.upstreams.base import Call, IncompleteError, Poll, Rejected, Response, SymbolList
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.tickers import NAME, PAGE

EVERY_SECONDS = 600.0
EXCHANGES = 100
_NO_QUOTE = "-"
_PATHS = ("global", "search/trending", "exchanges")


class _Global(msgspec.Struct, gc=False):
    """Each figure is read by itself: one that is none costs no other."""

    total_market_cap: Any = None
    total_volume: Any = None
    market_cap_percentage: Any = None
    market_cap_change_percentage_24h_usd: Any = None
    volume_change_percentage_24h_usd: Any = None
    active_cryptocurrencies: Any = None
    markets: Any = None
    updated_at: Any = None


class _Overview(msgspec.Struct, gc=False):
    data: _Global


class _Coin(msgspec.Struct, gc=False):
    id: str
    name: str | None = None
    score: Number = None


class _Trend(msgspec.Struct, gc=False):
    item: _Coin


class _Exchange(msgspec.Struct, gc=False):
    id: str
    name: str | None = None
    trade_volume_24h_btc: Any = None
    trust_score: Any = None
    trust_score_rank: Any = None


_trends = RowReader(NAME, _Trend)
_exchanges = RowReader(NAME, _Exchange)

Figure = tuple[str, str | None, str, str, Any]
"""asset_id, name, quote, metric, value as it was told."""


class CoinGeckoMarket:
    """The source ``coingecko.market``.

    Args:
        quote: the currency of the prices, beside the dollar.
    """

    feed = Feed(NAME, MARKET.name)
    upstream = NAME
    symbol_list: SymbolList | None = None
    expected = 20 + 15 + 3 * EXCHANGES

    def __init__(self, access: Access, *, quote: str = "usd") -> None:
        self._access = access
        self._quotes = dict.fromkeys(("usd", quote.lower()))
        self._doubt = Doubt()

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        overview, trending, exchanges = _PATHS
        return [
            self._access.call(overview),
            self._access.call(trending),
            self._access.call(exchanges, per_page=str(PAGE), page="1"),
        ]

    def check(self, answer: Response, *, now_ms: int) -> None:
        self._access.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return None

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """Raises:
        IncompleteError: a body is not what CoinGecko speaks, or none of its figures can be read, for the first time.
        TransientError: so are all of them, again.
        """
        overview, trending, exchanges = bodies
        timestamp, fetched_at = iso(slot_ms), iso(fetched_at_ms)
        records: list[Market] = []
        rejected: list[Rejected] = []
        lacking: dict[int, str] = {}
        for number, (body, figures) in enumerate(
            ((overview, self._global), (trending, self._trending), (exchanges, self._exchanges))
        ):
            before = len(records)
            try:
                updated, found = figures(body, rejected)
            except TransientError as error:
                lacking[number] = str(error)
                continue
            for asset_id, name, quote, metric, told in found:
                if told is None:
                    continue  # as for exchanges that have no trust score yet
                if (value := _read(told)) is None:
                    rejected.append(Rejected("bad_row", asset_id[:128], f"no number for {metric[:80]}: {told!r:.80}"))
                    continue
                if not usable_id(asset_id) or not METRIC.match(metric):
                    rejected.append(Rejected("bad_id", asset_id[:128], f"no name for a figure: {metric[:80]}"))
                    continue
                records.append(
                    Market(
                        source=NAME,
                        asset_id=asset_id,
                        name=name,
                        quote=quote,
                        metric=metric,
                        value=value,
                        timestamp=timestamp,
                        fetched_at=fetched_at,
                        last_updated=updated,
                    )
                )
            if len(records) == before:  # it may be that nothing is trending
                lacking[number] = "" if body is trending else f"not a single figure: {body[:200]!r}"
        told = "; ".join(f"coingecko's {_PATHS[number]}: {why or 'nothing'}" for number, why in lacking.items())
        if not self._doubt.believes(tuple(lacking)):
            raise IncompleteError(told, pages=tuple(lacking))
        if not records:
            raise TransientError(told)
        rejected += [Rejected("short", _PATHS[number], why) for number, why in lacking.items() if why]
        return Poll(_each_once(records, rejected), rejected)

    def _global(self, body: bytes, rejected: list[Rejected]) -> tuple[str | None, Iterator[Figure]]:
        found = read_each_field(NAME, body, _Overview).data
        for name in ("total_market_cap", "total_volume", "market_cap_percentage"):
            told = getattr(found, name)
            if not isinstance(told, dict):
                setattr(found, name, {})
                if told is not None:
                    rejected.append(Rejected("bad_row", "global", f"{name} is no object: {told!r:.80}"))
        updated = iso_of_ms(ms_of_seconds(found.updated_at))
        return updated, self._figures(found)

    def _figures(self, found: _Global) -> Iterator[Figure]:
        caps, volumes, shares = found.total_market_cap, found.total_volume, found.market_cap_percentage
        for quote in self._quotes:
            yield "global", None, quote.upper(), "total-market-cap", caps.get(quote)
            yield "global", None, quote.upper(), "total-volume", volumes.get(quote)
        for symbol, share in shares.items():
            yield "global", None, _NO_QUOTE, f"dominance-{symbol.lower()}", share
        for metric, value in (
            ("market-cap-change-24h", found.market_cap_change_percentage_24h_usd),
            ("volume-change-24h", found.volume_change_percentage_24h_usd),
            ("active-coins", found.active_cryptocurrencies),
            ("markets", found.markets),
        ):
            yield "global", None, _NO_QUOTE, metric, value

    def _trending(self, body: bytes, rejected: list[Rejected]) -> tuple[None, Iterator[Figure]]:
        try:
            rows, odd = _trends.read(members(body)["coins"])
        except (*UNREADABLE, ValueError, KeyError) as error:
            raise not_spoken(NAME, body, error) from error
        rejected += odd
        return None, (
            (row.item.id, row.item.name, _NO_QUOTE, "trending-rank", rank) for rank, row in enumerate(rows, start=1)
        )

    def _exchanges(self, body: bytes, rejected: list[Rejected]) -> tuple[None, Iterator[Figure]]:
        rows, odd = _exchanges.read(body)
        rejected += odd
        largest = sorted(rows, key=lambda row: -(_read(row.trade_volume_24h_btc) or 0.0))[:EXCHANGES]
        return None, (
            (f"exchange-{row.id}", row.name, quote, metric, value)
            for row in largest
            for quote, metric, value in (
                ("BTC", "volume-24h", row.trade_volume_24h_btc),
                (_NO_QUOTE, "trust-score", row.trust_score),
                (_NO_QUOTE, "trust-rank", row.trust_score_rank),
            )
        )


def _read(value: object) -> float | None:
    try:
        found: float | None = msgspec.convert(value, Number, strict=False)
    except msgspec.ValidationError:
        return None
    return found


def _each_once(records: list[Market], rejected: list[Rejected]) -> list[Market]:
    """The first of each id counts."""
    kept: dict[str, Market] = {}
    for record in records:
        if kept.setdefault(MARKET.id_of(record), record) is not record:
            rejected.append(Rejected("duplicate", record.asset_id, f"a second {record.metric}"))
    return list(kept.values())
