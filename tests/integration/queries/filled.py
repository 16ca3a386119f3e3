"""A small market in an index of its own: what each part of it is there for, and how it gets in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from benchmarks.queries.synthetic import Year
from cryptoproxy.datasets import Ticker, document_id, encode, index_name, iso

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
