"""What does an asset cost on average: mean, lowest and highest of a field, over the whole period or by steps of it.

The mean is over samples, which are evenly spaced where none is missing. Exact, but for the last digits of a sum of
floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.queries.answer import Column, Kind
from cryptoproxy.queries.fields import described, known
from cryptoproxy.queries.periods import Interval, Period
from cryptoproxy.queries.scope import MAX_BUCKETS, Asset, Json, Scope, asset_of, by_asset
from cryptoproxy.queries.shared import asset_columns


@dataclass(frozen=True, slots=True)
class Average:
    """``every`` of None is one row for the whole period."""

    scope: Scope
    field: str = "price"
    every: Interval | None = None

    def __post_init__(self) -> None:
        known(self.field)


@dataclass(frozen=True, slots=True)
class AverageRow:
    """``begin_ms`` is where the step begins; of the first step, it may lie before the period."""

    asset: Asset
    begin_ms: int
    count: int
    average: float
    lowest: float
    highest: float


def body(request: Average, after: Mapping[str, Any] | None = None) -> Json:
    """One bucket per asset, over the whole period."""
    return _body(request.scope, _value(request), size=MAX_BUCKETS, after=after)


def row(request: Average, bucket: Mapping[str, Any]) -> AverageRow | None:
    """None for an asset without a value in this field."""
    return _row(asset_of(bucket), request.scope.period.begin_ms, bucket["value"])


def steps_body(request: Average, every: Interval, assets: tuple[Asset, ...], period: Period) -> Json:
    """Steps of some assets and a part of the period."""
    scope = replace(request.scope, chosen=assets, period=period)
    histogram = {"date_histogram": {**every.histogram(), "min_doc_count": 1}, "aggs": _value(request)}
    return _body(scope, {"steps": histogram}, size=len(assets) or MAX_BUCKETS, after=None)


def steps(bucket: Mapping[str, Any]) -> Iterator[AverageRow]:
    """The steps of one asset that have a value."""
    asset = asset_of(bucket)
    for step in bucket["steps"]["buckets"]:
        row = _row(asset, step["key"], step["value"])
        if row is not None:
            yield row


def columns(request: Average) -> tuple[Column[AverageRow], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Column("begin", "begin (UTC)", Kind.TIME, lambda row: row.begin_ms),
        Column("count", "samples", Kind.COUNT, lambda row: row.count),
        Column("average", "average", Kind.NUMBER, lambda row: row.average),
        Column("lowest", "lowest", Kind.NUMBER, lambda row: row.lowest),
        Column("highest", "highest", Kind.NUMBER, lambda row: row.highest),
    )


def title(request: Average) -> str:
    steps = f", by {request.every.words}" if request.every else ""
    return f"Average of {described(request.field)}{steps}"


def _value(request: Average) -> dict[str, Json]:
    return {"value": {"stats": {"field": request.field}}}


def _body(scope: Scope, aggregations: Mapping[str, Json], *, size: int, after: Mapping[str, Any] | None) -> Json:
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": by_asset(aggregations, size=size, after=after),
    }


def _row(asset: Asset, begin_ms: int, value: Mapping[str, Any]) -> AverageRow | None:
    if not value["count"]:
        return None
    return AverageRow(asset, begin_ms, value["count"], value["avg"], value["min"], value["max"])
