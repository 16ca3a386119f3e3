"""Which records a question is about: sources, assets and a period. Everything is grouped by source, asset and quote,
and of each group it is known from when to when there are records, and how much of the time they stand for.

A symbol is no asset: USDT is several coins at one source, and BTCUSDT another thing in each market. So a symbol only
filters, and what it stands for is said; nothing is averaged over it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import Span

Json = dict[str, Any]

DEFAULT_SOURCE = "coingecko"
ALL = "all"
MAX_BUCKETS = 10_000
"""Held at once, and rows of an answer that is not read row by row."""


class AssetRef(NamedTuple):
    """What prices belong to. ``symbol`` is what it was called in the newest record; it tells nothing apart."""

    source: str
    asset_id: str
    quote: str
    symbol: str

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.source, self.asset_id, self.quote


@dataclass(frozen=True, slots=True)
class Scope:
    """Empty means any. ``chosen`` are assets that an earlier search found; ``coins`` are what ``symbols`` stand for."""

    period: Span
    sources: tuple[str, ...] = (DEFAULT_SOURCE,)
    symbols: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    chosen: tuple[AssetRef, ...] = field(default=(), repr=False)
    coins: tuple[str, ...] = ()
    interval: str = ""
    """Of candles: the stored one."""

    def __str__(self) -> str:
        return ", ".join(self.sources) if self.sources else "all sources"

    @property
    def where(self) -> str:
        """The source, and quotes that were asked for."""
        return f"{self} in {', '.join(self.quotes)}" if self.quotes else str(self)

    def query(self) -> Json:
        """A query in filter context: nothing is scored."""
        wanted: list[Json] = []
        if self.chosen:
            wanted.append(_either(self.chosen))
        else:
            for name, values in (
                ("source", self.sources),
                ("symbol", spelled(self.symbols)),
                ("asset_id", self.assets),
                ("quote", spelled(self.quotes)),
            ):
                if values:
                    wanted.append({"terms": {name: list(values)}})
        if self.interval:
            wanted.append({"term": {"interval": self.interval}})
        wanted.append({"range": {"timestamp": {"gte": iso(self.period.begin_ms), "lt": iso(self.period.end_ms)}}})
        return {"bool": {"filter": wanted}}


def spelled(names: Sequence[str]) -> list[str]:
    """Symbols or quotes as they were typed, and in capitals, which nearly all have: ``btc`` finds BTC, ``$x$`` itself,
    too."""
    return list(dict.fromkeys(each for name in names for each in (name, name.upper())))


def by_asset(
    aggregations: Mapping[str, Json],
    *,
    size: int,
    after: Mapping[str, Any] | None = None,
) -> Json:
    """``rows``: one bucket per asset, at most ``size``, those after ``after``."""
    sources: list[Json] = [{name: {"terms": {"field": name}}} for name in ("source", "asset_id", "quote")]
    composite: Json = {"size": size, "sources": sources}
    if after:
        composite["after"] = dict(after)
    return {"rows": {"composite": composite, "aggs": {**SYMBOL, **SEEN, **aggregations}}}


SEEN: Mapping[str, Json] = {
    "first": {"min": {"field": "timestamp"}},
    "last": {"max": {"field": "timestamp"}},
    "intervals": {"stats": {"field": "interval_ms"}},
}
"""For :func:`seen_of`."""


class Seen(NamedTuple):
    """The first and the last slot of some records, and the intervals that they were polled at."""

    first_ms: int
    last_ms: int
    planned_ms: int | None = None
    """The time that they stand for: each until the slot that was planned next. None where one does not tell."""
    shortest_ms: int | None = None
    longest_ms: int | None = None

    @property
    def share(self) -> float | None:
        """How much of the time from the first to the last record they stand for, as a fraction of 1."""
        if self.planned_ms is None or self.longest_ms is None:
            return None
        return min(1.0, self.planned_ms / (self.last_ms - self.first_ms + self.longest_ms))

    def share_of(self, period: Span) -> float | None:
        return None if self.planned_ms is None else min(1.0, self.planned_ms / period.length_ms)


def seen_of(bucket: Mapping[str, Any]) -> Seen:
    """Of a bucket with :data:`SEEN`."""
    intervals, records = bucket["intervals"], bucket["doc_count"]
    first, last = int(bucket["first"]["value"]), int(bucket["last"]["value"])
    told = bool(records) and intervals["count"] == records
    if not intervals["count"]:
        return Seen(first, last)
    planned = int(intervals["sum"]) if told else None
    return Seen(first, last, planned, int(intervals["min"]), int(intervals["max"]))


def finite(value: Any) -> float | None:
    """A number of Elasticsearch's. None for what it spells as text: ``Infinity`` where a sum of huge numbers does not
    fit into a double, ``NaN``.
    """
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


SYMBOL: Mapping[str, Json] = {
    "symbol": {
        "terms": {"field": "symbol", "size": 1, "order": {"newest": "desc"}},
        "aggs": {"newest": {"max": {"field": "timestamp"}}},
    }
}
"""What the asset was called last."""


def asset_of(bucket: Mapping[str, Any]) -> AssetRef:
    """Of a bucket of :func:`by_asset`."""
    key = bucket["key"]
    symbols = bucket["symbol"]["buckets"]
    return AssetRef(key["source"], key["asset_id"], key["quote"], symbols[0]["key"] if symbols else key["asset_id"])


def _either(assets: Collection[AssetRef]) -> Json:
    """Exactly these assets: one clause per source and quote."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in assets:
        groups.setdefault((each.source, each.quote), []).append(each.asset_id)
    clauses = [
        {"bool": {"filter": [{"term": {"source": source}}, {"term": {"quote": quote}}, {"terms": {"asset_id": ids}}]}}
        for (source, quote), ids in groups.items()
    ]
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}
