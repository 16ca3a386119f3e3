"""Which assets vary most: returns of the last price between disjoint windows, for each asset.

Time is cut into windows; an asset's price in a window is that of its last record there, and a return goes from one
window to the next. A window without a record has no price, so no return leads into it or out of it. Only whole windows
count. The engine picks the last records; returns are worked out here.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Look, NothingFound, asset_columns, data_columns
from cryptoproxy.queries.backend import Backend, FoundAsset, Progress
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import Interval, interval, written
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Json, Scope, Seen, asset_of, by_asset

_WINDOWS = ("1d", "12h", "6h", "4h", "1h", "30m", "15m", "5m", "1m", "30s", "10s")
"""That are suggested."""
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
        if self.whole_windows.length_ms < 3 * self.window.ms:
            raise ValueError(
                f"the period has fewer than three whole windows of {self.window.text}, which two returns need; "
                "take a longer --since or a shorter --window"
            )

    @property
    def whole_windows(self) -> Span:
        """Of the scope's period; windows begin at multiples of their length since 1970."""
        asked, length = self.scope.period, self.window.ms
        begin, end = -(-asked.begin_ms // length) * length, asked.end_ms // length * length
        if begin >= end:
            raise ValueError(f"the period has no whole window of {self.window.text}")
        return Span(begin, end)


@dataclass(frozen=True, slots=True)
class VolatilityRow:
    """In percent; None where it does not fit into a double. ``deviation`` is the sample standard deviation; ``largest``
    has its sign, and ``largest_ms`` is where the window begins that it leads into: None where no return differs from
    zero. ``missing`` windows lie between the asset's first and last, without a record. ``seen``: the first window's
    begin and the last one's end.
    """

    asset: AssetRef
    returns: int
    deviation: float | None
    lowest: float | None
    highest: float | None
    largest: float | None
    largest_ms: int | None
    missing: int
    seen: Seen

    @property
    def range(self) -> float | None:
        return None if self.highest is None or self.lowest is None else _finite(self.highest - self.lowest)


class Returns:
    """The returns of one asset. Windows must come in the order of time."""

    def __init__(self, window_ms: int, begins: Sequence[int] = (), prices: Sequence[float] = ()) -> None:
        self._window_ms = window_ms
        self._begins, self._prices = list(begins), list(prices)

    def add(self, begin_ms: int, price: float) -> None:
        """The last price of the window that begins at ``begin_ms``."""
        self._begins.append(begin_ms)
        self._prices.append(price)

    def row(self, asset: AssetRef) -> VolatilityRow | None:
        """None with fewer than two returns, which have no deviation."""
        import numpy as np  # it takes a moment to load

        begins, prices = np.array(self._begins, np.int64), np.array(self._prices, np.float64)
        steps = np.diff(begins) // self._window_ms
        next_to = steps == 1
        with np.errstate(over="ignore", invalid="ignore"):
            returns = ((prices[1:] / prices[:-1] - 1) * 100)[next_to]
            if len(returns) < 2:
                return None
            deviation = float(returns.std(ddof=1))
        largest = int(np.abs(returns).argmax())
        moved = bool(returns[largest])
        return VolatilityRow(
            asset,
            len(returns),
            _finite(deviation),
            _finite(float(returns.min())),
            _finite(float(returns.max())),
            _finite(float(returns[largest])),
            int(begins[1:][next_to][largest]) if moved else None,
            int(steps.sum()) - len(steps),
            Seen(int(begins[0]), int(begins[-1]) + self._window_ms),
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def body(request: Volatility, assets: Sequence[AssetRef], period: Span) -> Json:
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


def prices(bucket: Mapping[str, Any]) -> tuple[AssetRef, list[tuple[int, float]]]:
    """(window's begin, last price) of one asset, in the order of time."""
    return asset_of(bucket), [
        (each["key"], each["last"]["hits"]["hits"][0]["fields"]["price"][0]) for each in bucket["windows"]["buckets"]
    ]


def columns(_: Volatility) -> tuple[Cell[VolatilityRow], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Cell("returns", "returns", Look.COUNT, lambda row: row.returns),
        Cell("deviation", "std. dev., %", Look.NUMBER, lambda row: row.deviation),
        Cell("lowest", "lowest, %", Look.NUMBER, lambda row: row.lowest),
        Cell("highest", "highest, %", Look.NUMBER, lambda row: row.highest),
        Cell("range", "range, %", Look.NUMBER, lambda row: row.range),
        Cell("largest", "largest, %", Look.NUMBER, lambda row: row.largest),
        Cell("largest_at", "largest at (UTC)", Look.TIME, lambda row: row.largest_ms),
        Cell("missing", "missing", Look.COUNT, lambda row: row.missing),
        *data_columns(lambda row: row.seen),
    )


def title(request: Volatility) -> str:
    return f"Volatility: returns of the last price from one {request.window.step} to the next"


def most_volatile(
    engine: Backend, request: Volatility, watch: Noting, progress: Progress | None
) -> Iterator[VolatilityRow]:
    """The largest standard deviation first.

    Raises:
        NothingFound: no asset has two returns; says since when there are records, and what to try.
    """

    def rows() -> Iterator[VolatilityRow]:
        for told in engine.volatility(request, progress):
            watch.see(told.asset, told.seen, has_value=bool(told.rows))
            for row in told.rows:
                if row.deviation is None:
                    watch.unbounded.add(told.asset)
                yield row

    def rank(row: VolatilityRow) -> float:
        return math.inf if row.deviation is None else row.deviation

    yield from heapq.nlargest(request.top, rows(), key=rank) if request.top else sorted(rows(), key=rank, reverse=True)
    if not watch.saw_rows and (found := engine.found(request.scope)):
        raise NothingFound(too_young(request, found))


def too_young(request: Volatility, found: Sequence[FoundAsset]) -> str:
    """Why these assets have no two returns, and the longest other window with which the one of most records has."""
    first = min(each.seen.first_ms for each in found)
    last = max(each.seen.last_ms for each in found)
    most = max(found, key=lambda each: each.records)
    lasted_ms = most.seen.last_ms - most.seen.first_ms
    gap_ms = lasted_ms / max(1, most.records - 1)
    windows = [each for each in map(interval, _WINDOWS) if each.ms != request.window.ms]  # that one was just asked for
    fitting = [each for each in windows if each.ms >= gap_ms and lasted_ms // each.ms >= 4]
    advice = f"try --window {fitting[0].text}" if fitting else "take a longer --since, or wait until there are more"
    window = request.window.text
    return (
        f"{request.scope} has records of {written(first)} to {written(last)} here, and no asset has a price in three "
        f"whole windows of {window} one after the other, which two returns need; {advice}"
    )
