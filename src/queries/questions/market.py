"""How large is the market: its cap, its volume, who dominates it; at the newest poll of each step.

Of dataset ``market``: a poll tells all of its figures at once, so those of a row are of one moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.datasets.contracts.market import METRIC
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Look
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.scope import Json, Scope, Seen, finite

WHOLE_MARKET = "global"
NO_QUOTE = "-"
CAP, VOLUME, CHANGE, COINS = "total-market-cap", "total-volume", "market-cap-change-24h", "active-coins"
DOMINANCE = "dominance-"
DEFAULT_COINS = "btc,eth"
_STEPS = 2_000
"""Of one search: each has some buckets in Elasticsearch's memory."""


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """``coins``: whose share is shown, in small letters."""

    scope: Scope
    every: Interval
    coins: tuple[str, ...]

    def __post_init__(self) -> None:
        if unknown := [each for each in self.coins if not METRIC.match(DOMINANCE + each)]:
            raise ValueError(f"{', '.join(unknown)} is no coin's symbol: dominance takes btc,eth")

    @property
    def metrics(self) -> tuple[str, ...]:
        return (CAP, VOLUME, CHANGE, COINS, *(DOMINANCE + each for each in self.coins))

    @property
    def quote(self) -> str:
        return self.scope.quotes[0]


@dataclass(frozen=True, slots=True)
class MarketRow:
    """Of the poll at ``slot_ms``, the newest of the step that begins at ``begin_ms``. What was not told is None."""

    source: str
    begin_ms: int
    slot_ms: int
    quote: str
    figures: Mapping[str, float | None]
    """By metric; money in quote, shares and changes in percent."""

    @property
    def seen(self) -> Seen:
        return Seen(self.slot_ms, self.slot_ms)

    def share(self, coin: str) -> float | None:
        return self.figures.get(DOMINANCE + coin)


def stretches(request: MarketFigures, days: Collection[int] | None = None) -> Iterator[Span]:
    """The period in parts that one search each can look at, cut between steps; as :meth:`Interval.parts`."""
    return request.every.parts(request.scope.period, _STEPS, days)


def body(request: MarketFigures, period: Span) -> Json:
    figures: Json = {
        "terms": {"field": "metric", "size": len(request.metrics)},
        "aggs": {"value": {"max": {"field": "value"}}},
    }
    newest: Json = {"terms": {"field": "timestamp", "size": 1, "order": {"_key": "desc"}}, "aggs": {"figures": figures}}
    steps: Json = {
        "date_histogram": {**request.every.histogram(), "min_doc_count": 1},
        "aggs": {"newest": newest},
    }
    query = replace(request.scope, period=period).query()
    query["bool"]["filter"].append({"terms": {"metric": list(request.metrics)}})
    return {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"sources": {"terms": {"field": "source", "size": 1_000}, "aggs": {"steps": steps}}},
    }


def rows_of(request: MarketFigures, answer: Mapping[str, Any]) -> Iterator[MarketRow]:
    for source in sorted(answer["aggregations"]["sources"]["buckets"], key=lambda each: each["key"]):
        for step in source["steps"]["buckets"]:
            (newest,) = step["newest"]["buckets"]
            figures = {each["key"]: finite(each["value"]["value"]) for each in newest["figures"]["buckets"]}
            yield MarketRow(source["key"], step["key"], newest["key"], request.quote, figures)


def columns(request: MarketFigures) -> tuple[Cell[MarketRow], ...]:
    def share(coin: str) -> Cell[MarketRow]:
        return Cell(f"dominance_{coin}", f"{coin.upper()}, % of it", Look.NUMBER, lambda row: row.share(coin))

    return (
        Cell("source", "source", Look.TEXT, lambda row: row.source),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("timestamp", "poll of (UTC)", Look.TIME, lambda row: row.slot_ms),
        Cell("quote", "quote", Look.TEXT, lambda row: row.quote),
        Cell("market_cap", "market cap", Look.NUMBER, lambda row: row.figures.get(CAP)),
        Cell("market_cap_change_24h", "24 h change, %", Look.NUMBER, lambda row: row.figures.get(CHANGE)),
        Cell("volume_24h", "volume, 24 h", Look.NUMBER, lambda row: row.figures.get(VOLUME)),
        Cell("active_coins", "coins", Look.NUMBER, lambda row: row.figures.get(COINS)),
        *map(share, request.coins),
    )


def title(request: MarketFigures) -> str:
    return f"The whole market in {request.quote}, at the newest poll of each {request.every.words}"
