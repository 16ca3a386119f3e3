"""In what range does a value lie: its percentiles for each asset, over all samples of a period.

Elasticsearch estimates percentiles with t-digests; how near they are is in docs/queries.md. Count, lowest and highest
are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptoproxy.queries.answer import Cell, Look, asset_columns, data_columns
from cryptoproxy.queries.fields import described, known
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import decimal
from cryptoproxy.queries.scope import AssetRef, Json, Scope, Seen, asset_of, by_asset, finite, seen_of

DEFAULT_PERCENTS = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
COMPRESSION = 1000
"""Of the t-digest: chosen by measurement, see docs/queries.md."""
PAGE = 200
"""Assets a page: each has a t-digest in Elasticsearch's memory, of up to some 200 kB."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    scope: Scope
    field: str = "change_24h"
    percents: tuple[float, ...] = DEFAULT_PERCENTS
    compression: int = COMPRESSION

    def __post_init__(self) -> None:
        known(self.field)
        if not self.percents or any(not 0 <= each <= 100 for each in self.percents):
            raise ValueError("percents must be between 0 and 100")


@dataclass(frozen=True, slots=True)
class PercentilesRow:
    """``values`` by percent, in the field's unit; None where an estimate does not fit into a double."""

    asset: AssetRef
    count: int
    lowest: float
    highest: float
    values: Mapping[float, float | None]
    seen: Seen


def body(request: Percentiles, after: Mapping[str, Any] | None = None) -> Json:
    aggregations: dict[str, Json] = {
        "values": {
            "percentiles": {
                "field": request.field,
                "percents": list(request.percents),
                "keyed": False,
                "tdigest": {"compression": request.compression},
            }
        },
        "ends": {"stats": {"field": request.field}},
    }
    return {
        "size": 0,
        "track_total_hits": False,
        "query": request.scope.query(),
        "aggs": by_asset(aggregations, size=PAGE, after=after),
    }


def row(bucket: Mapping[str, Any]) -> PercentilesRow | None:
    """None for an asset that has no value in this field."""
    ends = bucket["ends"]
    if not ends["count"]:
        return None
    values = {each["key"]: finite(each["value"]) for each in bucket["values"]["values"]}
    return PercentilesRow(asset_of(bucket), ends["count"], ends["min"], ends["max"], values, seen_of(bucket))


def noted(watch: Noting, row: PercentilesRow) -> None:
    """What is to be said of a row."""
    if None in row.values.values():
        watch.unbounded.add(row.asset)


def columns(request: Percentiles) -> tuple[Cell[PercentilesRow], ...]:
    def percent(each: float) -> Cell[PercentilesRow]:
        return Cell(f"p{decimal(each)}", f"p{decimal(each)}", Look.NUMBER, lambda row: row.values[each])

    return (
        *asset_columns(lambda row: row.asset),
        Cell("count", "samples", Look.COUNT, lambda row: row.count),
        Cell("lowest", "lowest", Look.NUMBER, lambda row: row.lowest),
        *(percent(each) for each in request.percents),
        Cell("highest", "highest", Look.NUMBER, lambda row: row.highest),
        *data_columns(lambda row: row.seen, covered=lambda row: row.seen.share_of(request.scope.period)),
    )


def title(request: Percentiles) -> str:
    return f"Percentiles of {described(request.field)}"
