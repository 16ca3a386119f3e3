"""How often does an asset move by 1, 5, 10 %: the share of samples whose change over a window is ±x or beyond.

The change is the source's own, so no prices are compared. Most send percents, Bybit fractions, which its records have
in percent as well, but for older ones: so each threshold is a range on either. Exact, and in decimal: a threshold of
1.1 % counts a change of 1.1 % and a fraction of 0.011, though 1.1 / 100 is another double than 0.011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cryptoproxy.queries.answer import Cell, Look, asset_columns, data_columns
from cryptoproxy.queries.fields import WINDOWS
from cryptoproxy.queries.periods import decimal
from cryptoproxy.queries.scope import AssetRef, Json, Scope, Seen, asset_of, by_asset, seen_of

DEFAULT_THRESHOLDS = (1.0, 5.0, 10.0)
MAX_THRESHOLDS = 10
LARGEST = 1e15
"""Percent. No price has risen so far."""
PAGE = 2_000
"""Assets a page. Each threshold is two buckets more in Elasticsearch, which allows 65,536 in an answer."""


@dataclass(frozen=True, slots=True)
class Moves:
    """``thresholds`` in percent."""

    scope: Scope
    window: str = "24h"
    thresholds: tuple[float, ...] = DEFAULT_THRESHOLDS

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise ValueError(f"{self.window!r} is no window that sources send a change over: {', '.join(WINDOWS)}")
        if not 1 <= len(self.thresholds) <= MAX_THRESHOLDS or any(not 0 < each <= LARGEST for each in self.thresholds):
            raise ValueError(
                f"thresholds must be percents above 0, none above {decimal(LARGEST)}, at most {MAX_THRESHOLDS} of them"
            )


@dataclass(frozen=True, slots=True)
class Beyond:
    """How many samples rose, and fell, by a threshold or more."""

    up: int
    down: int


@dataclass(frozen=True, slots=True)
class MovesRow:
    """``samples`` have a change over this window; ``beyond`` is by threshold."""

    asset: AssetRef
    samples: int
    beyond: Mapping[float, Beyond]
    seen: Seen

    def up(self, threshold: float) -> float:
        """The share, as a fraction of 1."""
        return self.beyond[threshold].up / self.samples

    def down(self, threshold: float) -> float:
        return self.beyond[threshold].down / self.samples


def body(request: Moves, after: Mapping[str, Any] | None = None) -> Json:
    filters: dict[str, Json] = {"samples": _any({"exists": {"field": name}} for name, _ in fields(request))}
    for threshold in request.thresholds:
        for way, word, sign in (("up", "gte", 1), ("down", "lte", -1)):
            filters[f"{way} {decimal(threshold)}"] = _any(
                {"range": {name: {word: sign * shifted(threshold, places)}}} for name, places in fields(request)
            )
    aggregations: dict[str, Json] = {"moves": {"filters": {"filters": filters}}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": request.scope.query(),
        "aggs": by_asset(aggregations, size=PAGE, after=after),
    }


def row(request: Moves, bucket: Mapping[str, Any]) -> MovesRow | None:
    """None for an asset without any change over this window."""
    found = {name: each["doc_count"] for name, each in bucket["moves"]["buckets"].items()}
    if not found["samples"]:
        return None
    beyond = {each: Beyond(found[f"up {decimal(each)}"], found[f"down {decimal(each)}"]) for each in request.thresholds}
    return MovesRow(asset_of(bucket), found["samples"], beyond, seen_of(bucket))


def columns(request: Moves) -> tuple[Cell[MovesRow], ...]:
    def shares(threshold: float) -> tuple[Cell[MovesRow], ...]:
        text = decimal(threshold)
        return (
            Cell(f"up_{text}", f"≥ +{text} %", Look.SHARE, lambda row: row.up(threshold)),
            Cell(f"down_{text}", f"≤ -{text} %", Look.SHARE, lambda row: row.down(threshold)),
        )

    return (
        *asset_columns(lambda row: row.asset),
        Cell("samples", "samples", Look.COUNT, lambda row: row.samples),
        *(column for each in request.thresholds for column in shares(each)),
        *data_columns(lambda row: row.seen, covered=lambda row: row.seen.share_of(request.scope.period)),
    )


def title(request: Moves) -> str:
    return f"Share of samples whose change over {request.window} is beyond a threshold"


def fields(request: Moves) -> list[tuple[str, int]]:
    """Field, and by how many places the point of a percent is moved in its unit."""
    change = WINDOWS[request.window]
    return [(change.percent, 0), *([(change.fraction, -2)] if change.fraction else [])]


def shifted(threshold: float, places: int) -> float:
    """The double nearest to the decimal with its point moved, as a record holds the double nearest to what was sent."""
    return float(Decimal(repr(threshold)).scaleb(places))


def _any(clauses: Any) -> Json:
    found = list(clauses)
    return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}
