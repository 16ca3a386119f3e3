"""Which assets vary most: returns of the last price between disjoint windows, for each asset.

Time is cut into windows; an asset's price in a window is that of its last record there, and a return goes from one
window to the next. A window without a record has no price, so no return leads into it or out of it. Only whole windows
count. Elasticsearch picks the last records; returns are added up here as they come, so that never more than 10,000
windows are held.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptoproxy.queries.answer import Column, Kind
from cryptoproxy.queries.periods import Interval, Period
from cryptoproxy.queries.scope import MAX_BUCKETS, Asset, Json, Scope, asset_of, by_asset
from cryptoproxy.queries.shared import asset_columns

HOUR = Interval("1h", 3_600_000)


@dataclass(frozen=True, slots=True)
class Volatility:
    """``top`` of None is all, else those of the largest standard deviation."""

    scope: Scope
    window: Interval = HOUR
    top: int | None = 20

    def __post_init__(self) -> None:
        if not self.window.fixed:
            raise ValueError(f"a window must always be of one length, {self.window.text} is not")
        if self.whole_windows.length_ms < 2 * self.window.ms:
            raise ValueError(f"the period has fewer than two whole windows of {self.window.text}")

    @property
    def whole_windows(self) -> Period:
        """Of the scope's period; windows begin at multiples of their length since 1970."""
        asked, length = self.scope.period, self.window.ms
        begin, end = -(-asked.begin_ms // length) * length, asked.end_ms // length * length
        if begin >= end:
            raise ValueError(f"the period has no whole window of {self.window.text}")
        return Period(begin, end)


@dataclass(frozen=True, slots=True)
class VolatilityRow:
    """In percent. ``deviation`` is the sample standard deviation; ``largest`` has its sign, and ``largest_ms`` is where
    the window begins that it leads into. ``missing`` windows lie between the asset's first and last, without a record.
    """

    asset: Asset
    returns: int
    deviation: float
    lowest: float
    highest: float
    largest: float
    largest_ms: int
    missing: int

    @property
    def range(self) -> float:
        return self.highest - self.lowest


@dataclass(slots=True)
class Returns:
    """Adds up the returns of one asset (Welford). Prices must come in the order of time."""

    window_ms: int
    count: int = 0
    missing: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    largest: float = 0.0
    largest_ms: int = 0
    _mean: float = 0.0
    _squares: float = 0.0
    _last: tuple[int, float] | None = field(default=None)

    def add(self, begin_ms: int, price: float) -> None:
        """The last price of the window that begins at ``begin_ms``."""
        if self._last is not None:
            windows = (begin_ms - self._last[0]) // self.window_ms
            self.missing += windows - 1
            if windows == 1:
                self._take((price / self._last[1] - 1) * 100, begin_ms)
        self._last = (begin_ms, price)

    def row(self, asset: Asset) -> VolatilityRow | None:
        """None with fewer than two returns, which have no deviation."""
        if self.count < 2:
            return None
        deviation = math.sqrt(self._squares / (self.count - 1))
        return VolatilityRow(
            asset, self.count, deviation, self.lowest, self.highest, self.largest, self.largest_ms, self.missing
        )

    def _take(self, percent: float, begin_ms: int) -> None:
        self.count += 1
        step = percent - self._mean
        self._mean += step / self.count
        self._squares += step * (percent - self._mean)
        self.lowest = min(self.lowest, percent)
        self.highest = max(self.highest, percent)
        if abs(percent) > abs(self.largest):
            self.largest, self.largest_ms = percent, begin_ms


def body(request: Volatility, assets: Sequence[Asset], period: Period) -> Json:
    """The last price of each window, for some assets and a part of the period."""
    scope = replace(request.scope, period=period, chosen=tuple(assets))
    windows: dict[str, Json] = {
        "windows": {
            "date_histogram": {**request.window.histogram(), "min_doc_count": 1},
            "aggs": {
                "last": {
                    "top_hits": {
                        "size": 1,
                        "sort": [{"timestamp": "desc"}],
                        # Nothing of what is stored: unpacking it would cost more than all the rest.
                        "stored_fields": "_none_",
                        "_source": False,
                        "docvalue_fields": ["price"],
                    }
                }
            },
        }
    }
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": by_asset(windows, size=len(assets) or MAX_BUCKETS),
    }


def prices(bucket: Mapping[str, Any]) -> tuple[Asset, list[tuple[int, float]]]:
    """(window's begin, last price) of one asset, in the order of time."""
    return asset_of(bucket), [
        (each["key"], each["last"]["hits"]["hits"][0]["fields"]["price"][0]) for each in bucket["windows"]["buckets"]
    ]


def columns(_: Volatility) -> tuple[Column[VolatilityRow], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Column("returns", "returns", Kind.COUNT, lambda row: row.returns),
        Column("deviation", "std. dev., %", Kind.NUMBER, lambda row: row.deviation),
        Column("lowest", "lowest, %", Kind.NUMBER, lambda row: row.lowest),
        Column("highest", "highest, %", Kind.NUMBER, lambda row: row.highest),
        Column("range", "range, %", Kind.NUMBER, lambda row: row.range),
        Column("largest", "largest, %", Kind.NUMBER, lambda row: row.largest),
        Column("largest_at", "largest at (UTC)", Kind.TIME, lambda row: row.largest_ms),
        Column("missing", "missing", Kind.COUNT, lambda row: row.missing),
    )


def title(request: Volatility) -> str:
    return f"Volatility: returns of the last price from one {request.window.step} to the next"
