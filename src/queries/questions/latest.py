"""Where does each asset stand: its newest record within a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptoproxy.datasets import from_iso
from cryptoproxy.queries.answer import Cell, Look, asset_columns
from cryptoproxy.queries.scope import AssetRef, Json, Scope, Seen, asset_of, by_asset, finite

PAGE = 1_000
SHOWN = (
    "timestamp", "name", "price", "change_24h", "price_24h_pcnt", "market_cap", "volume_24h"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Latest:
    scope: Scope


@dataclass(frozen=True, slots=True)
class LatestRow:
    """``change_24h`` in percent, also where the source sends a fraction; None where it sends neither."""

    asset: AssetRef
    name: str
    price: float
    change_24h: float | None
    market_cap: float | None
    volume_24h: float | None
    slot_ms: int
    age_ms: int

    @property
    def seen(self) -> Seen:
        return Seen(self.slot_ms, self.slot_ms)


def body(request: Latest, after: Mapping[str, Any] | None = None) -> Json:
    newest: dict[str, Json] = {
        "newest": {"top_hits": {"size": 1, "sort": [{"timestamp": "desc"}], "_source": list(SHOWN)}}
    }
    return {
        "size": 0,
        "track_total_hits": False,
        "query": request.scope.query(),
        "aggs": by_asset(newest, size=PAGE, after=after),
    }


def row(request: Latest, bucket: Mapping[str, Any]) -> LatestRow:
    record = bucket["newest"]["hits"]["hits"][0]["_source"]
    return made(request, asset_of(bucket), from_iso(record["timestamp"]), record)


def made(request: Latest, asset: AssetRef, slot_ms: int, record: Mapping[str, Any]) -> LatestRow:
    """Of an asset's newest record, with the fields of :data:`SHOWN` that it has."""
    change = record.get("change_24h")
    if change is None and (fraction := record.get("price_24h_pcnt")) is not None:
        change = finite(fraction * 100)
    return LatestRow(
        asset,
        record["name"],
        record["price"],
        change,
        record.get("market_cap"),
        record.get("volume_24h"),
        slot_ms,
        request.scope.period.end_ms - slot_ms,
    )


def columns(_: Latest) -> tuple[Cell[LatestRow], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Cell("name", "name", Look.TEXT, lambda row: row.name),
        Cell("price", "price, in quote", Look.PRICE, lambda row: row.price),
        Cell("change_24h", "24 h change, %", Look.NUMBER, lambda row: row.change_24h),
        Cell("market_cap", "market cap", Look.NUMBER, lambda row: row.market_cap),
        Cell("volume_24h", "24 h volume", Look.NUMBER, lambda row: row.volume_24h),
        Cell("timestamp", "as of (UTC)", Look.TIME, lambda row: row.slot_ms),
        Cell("age_ms", "age", Look.AGE, lambda row: row.age_ms),
    )


def title(_: Latest) -> str:
    return "Newest record of each asset"
