"""What does an asset cost on average: mean, lowest and highest of a field, over the whole period or by steps of it.

The mean is over time, not over samples: each record stands for the time until the slot that was planned next
(``interval_ms``), so a change of the interval does not move it. Where a record does not tell its interval, the mean is
over samples, which is said. Exact, but for the last digits of a sum of floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Look, asset_columns, data_columns
from cryptoproxy.queries.fields import described, known
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.scope import (
    MAX_BUCKETS,
    SEEN,
    AssetRef,
    Json,
    Scope,
    Seen,
    asset_of,
    by_asset,
    finite,
    seen_of,
)

PAGE = 5_000


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
    """``begin_ms`` is where the step begins; of the first step, it may lie before the period. Without steps it is the
    first record's slot. ``average`` is None where the sum does not fit into a double; ``over_time`` says what the mean
    is over.
    """

    asset: AssetRef
    begin_ms: int
    count: int
    average: float | None
    lowest: float
    highest: float
    over_time: bool
    seen: Seen


def body(request: Average, after: Mapping[str, Any] | None = None) -> Json:
    """One bucket per asset, over the whole period."""
    return _body(request.scope, _value(request), size=PAGE, after=after)


def row(bucket: Mapping[str, Any]) -> AverageRow | None:
    """None for an asset without a value in this field."""
    return _row(asset_of(bucket), seen_of(bucket).first_ms, bucket)


def steps_body(request: Average, every: Interval, assets: tuple[AssetRef, ...], period: Span) -> Json:
    """Steps of some assets and a part of the period."""
    scope = replace(request.scope, chosen=assets, period=period)
    histogram = {"date_histogram": {**every.histogram(), "min_doc_count": 1}, "aggs": {**SEEN, **_value(request)}}
    return _body(scope, {"steps": histogram}, size=len(assets) or MAX_BUCKETS, after=None)


def steps(bucket: Mapping[str, Any]) -> Iterator[AverageRow]:
    """The steps of one asset that have a value."""
    asset = asset_of(bucket)
    for step in bucket["steps"]["buckets"]:
        row = _row(asset, step["key"], step)
        if row is not None:
            yield row


def noted(watch: Noting, row: AverageRow) -> None:
    """What is to be said of a row."""
    if not row.over_time:
        watch.untold.add(row.asset)
    if row.average is None:
        watch.unbounded.add(row.asset)


def columns(request: Average) -> tuple[Cell[AverageRow], ...]:
    period = request.scope.period
    return (
        *asset_columns(lambda row: row.asset),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("count", "samples", Look.COUNT, lambda row: row.count),
        Cell("average", "average", Look.NUMBER, lambda row: row.average),
        Cell("lowest", "lowest", Look.NUMBER, lambda row: row.lowest),
        Cell("highest", "highest", Look.NUMBER, lambda row: row.highest),
        Cell("mean_over", "mean over", Look.TEXT, lambda row: "time" if row.over_time else "samples"),
        *data_columns(
            lambda row: row.seen,
            covered=None if request.every else lambda row: row.seen.share_of(period),
        ),
    )


def title(request: Average) -> str:
    steps = f", by {request.every.words}" if request.every else ""
    return f"Average of {described(request.field)}{steps}"


def _value(request: Average) -> dict[str, Json]:
    value = {"field": request.field}
    return {
        "value": {"stats": value},
        "over_time": {"weighted_avg": {"value": value, "weight": {"field": "interval_ms"}}},
    }


def _body(scope: Scope, aggregations: Mapping[str, Json], *, size: int, after: Mapping[str, Any] | None) -> Json:
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": by_asset(aggregations, size=size, after=after),
    }


def _row(asset: AssetRef, begin_ms: int, bucket: Mapping[str, Any]) -> AverageRow | None:
    value = bucket["value"]
    if not value["count"]:
        return None
    seen = seen_of(bucket)
    over_time = seen.planned_ms is not None  # else the records that tell no interval would be left out
    mean = finite(bucket["over_time"]["value"] if over_time else value["avg"])
    return AverageRow(asset, begin_ms, value["count"], mean, value["min"], value["max"], over_time, seen)
