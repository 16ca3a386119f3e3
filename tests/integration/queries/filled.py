"""A small market in an index of its own: what each part of it is there for, and how it gets in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch
from msgspec.structs import replace

from benchmarks.queries.synthetic import Year
from cryptoproxy.common.settings.catalogue import Elasticsearch as Settings
from cryptoproxy.datasets import MARKET, Dataset, Market, Ticker, document_id, encode, index_name, iso
from cryptoproxy.queries.questions.market import CAP, VOLUME

MINUTE = 60_000
HOUR = 60 * MINUTE
SLOTS = 240
"""Four hours, so that there are whole windows of an hour."""


@dataclass(frozen=True)
class Filled:
    """``end_ms`` is the newest slot and a minute; CoinGecko's coins are those of ``year``."""

    client: Elasticsearch
    alias: str
    year: Year
    end_ms: int
    others: str
    """The other datasets' aliases, as ``ES_INDICES``."""


@dataclass(frozen=True)
class Stopped:
    """A clock that stands."""

    at_ms: int

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return 0.0


def record(source: str, asset: str, slot_ms: int, **fields: Any) -> Ticker:
    return Ticker(
        **{
            "source": source,
            "asset_id": asset,
            "symbol": asset,
            "name": asset,
            "quote": "USDT",
            "price": 1.0,
            "timestamp": iso(slot_ms),
            "fetched_at": iso(slot_ms + 200),
            "fetch_delay_ms": 200,
        }
        | fields
    )


def market(end_ms: int) -> tuple[Year, list[tuple[str, bytes]]]:
    """(document id, bytes) of every record."""
    year = Year(end_ms - SLOTS * MINUTE, end_ms, coins=12)
    found = [each for _, poll in year.polls() for each in poll]
    records: list[Ticker] = []
    for number in range(SLOTS):
        slot = year.begin_ms + number * MINUTE
        # One symbol, two assets: a coin and its bridged copy.
        for asset, price in (("tether", 1.0), ("bridged-usdt", 3.0)):
            records.append(record("coingecko", asset, slot, symbol="USDT", quote="USD", price=price, change_24h=0.01,
                                  interval_ms=MINUTE))  # fmt: skip
        # A source with fractions instead of percents, and a coin of it without any.
        for symbol, fraction in (("BTCUSDT", (number - 120) / 1000), ("ETHUSDT", 0.02), ("NEWUSDT", None)):
            records.append(record("bybit-linear", symbol, slot, price=10.0 + number, price_24h_pcnt=fraction,
                                  interval_ms=MINUTE))  # fmt: skip
    found += [(document_id(each), encode(each)) for each in records]
    return year, found


def index(client: Elasticsearch, alias: str, documents: Iterable[tuple[str, bytes]]) -> None:
    """With ids and `create`, as the indexer does; each must be new."""
    body = bytearray()
    for identity, line in documents:
        name = index_name(alias, json.loads(line)["timestamp"])
        body += b'{"create":{"_index":"%b","_id":"%b"}}\n%b\n' % (name.encode(), identity.encode(), line)
    answer = client.perform_request(
        "POST",
        "/_bulk?refresh=true&filter_path=errors",
        headers={"content-type": "application/x-ndjson", "accept": "application/json"},
        body=bytes(body),
    )
    assert answer.body == {"errors": False}


SHARES = {"btc": 57.0, "eth": 12.0}


def index_records(client: Elasticsearch, settings: Settings, dataset: Dataset[Any], records: Iterable[Any]) -> None:
    """Where the indexer puts them, a second copy instead of the first."""
    operations: list[Any] = []
    for each in records:
        name = settings.index_of(dataset, dataset.parts[dataset.part(each)], each.timestamp)
        operations += [{"index": {"_index": name, "_id": dataset.id_of(each)}}, dataset.codec.encode(each)]
    assert not client.bulk(operations=operations, refresh=True)["errors"]


def figures(slot_ms: int, number: int) -> list[Market]:
    """Of one poll."""
    told = [
        ("USD", CAP, 2.5e12 + number * 1e9),
        ("EUR", CAP, 2.2e12 + number * 1e9),
        ("USD", VOLUME, 9e10 + number),
        ("-", "market-cap-change-24h", number / 7),
        ("-", "active-coins", 17_000.0),
        *(("-", f"dominance-{coin}", share + number / 10) for coin, share in SHARES.items()),
    ]
    common = {"timestamp": iso(slot_ms), "fetched_at": iso(slot_ms + 400)}
    poll = [replace(MARKET.example, quote=quote, metric=metric, value=value, **common) for quote, metric, value in told]
    return [*poll, replace(poll[3], asset_id="bitcoin", metric="trending-rank", value=1.0)]
