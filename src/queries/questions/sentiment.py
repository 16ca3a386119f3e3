"""How many assets rose and fell: at the newest poll of each step, over all assets of a source.

The change is the source's own, over 24 h. A poll is all its pages or nothing, so each asset counts once a step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Look
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.scope import Json, Scope, Seen, finite

FIELD = "change_24h"
_STEPS = 2_000
"""Of one search: each has some buckets in Elasticsearch's memory."""


@dataclass(frozen=True, slots=True)
class Sentiment:
    scope: Scope
    every: Interval


@dataclass(frozen=True, slots=True)
class SentimentRow:
    """Of the poll at ``slot_ms``, the newest of the step that begins at ``begin_ms``. ``mean`` and ``median`` of the
    change, in percent."""

    source: str
    begin_ms: int
    slot_ms: int
    assets: int
    gainers: int
    losers: int
    mean: float | None
    median: float | None

    @property
    def unchanged(self) -> int:
        return self.assets - self.gainers - self.losers

    @property
    def balance(self) -> float:
        """Those that rose less those that fell, of all: -1 to 1."""
        return (self.gainers - self.losers) / self.assets

    @property
    def seen(self) -> Seen:
        return Seen(self.slot_ms, self.slot_ms)


def stretches(request: Sentiment, days: Collection[int] | None = None) -> Iterator[Span]:
    """The period in parts that one search each can look at, cut between steps; as :meth:`Interval.parts`."""
    return request.every.parts(request.scope.period, _STEPS, days)


def body(request: Sentiment, period: Span) -> Json:
    values: Json = {
        "gainers": {"filter": {"range": {FIELD: {"gt": 0}}}},
        "losers": {"filter": {"range": {FIELD: {"lt": 0}}}},
        "change": {"stats": {"field": FIELD}},
        "median": {"percentiles": {"field": FIELD, "percents": [50], "keyed": False, "tdigest": {"compression": 1000}}},
    }
    newest: Json = {"terms": {"field": "timestamp", "size": 1, "order": {"_key": "desc"}}}
    steps: Json = {
        "date_histogram": {**request.every.histogram(), "min_doc_count": 1},
        "aggs": {"newest": {**newest, "aggs": values}},
    }
    query = replace(request.scope, period=period).query()
    query["bool"]["filter"].append({"exists": {"field": FIELD}})
    return {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"sources": {"terms": {"field": "source", "size": 1_000}, "aggs": {"steps": steps}}},
    }


def rows_of(answer: Mapping[str, Any]) -> Iterator[SentimentRow]:
    for source in sorted(answer["aggregations"]["sources"]["buckets"], key=lambda each: each["key"]):
        for step in source["steps"]["buckets"]:
            (newest,) = step["newest"]["buckets"]
            yield SentimentRow(
                source["key"],
                step["key"],
                newest["key"],
                newest["change"]["count"],
                newest["gainers"]["doc_count"],
                newest["losers"]["doc_count"],
                finite(newest["change"]["avg"]),
                finite(newest["median"]["values"][0]["value"]),
            )


def columns(_: Sentiment) -> tuple[Cell[SentimentRow], ...]:
    return (
        Cell("source", "source", Look.TEXT, lambda row: row.source),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("timestamp", "poll of (UTC)", Look.TIME, lambda row: row.slot_ms),
        Cell("assets", "assets", Look.COUNT, lambda row: row.assets),
        Cell("gainers", "gainers", Look.COUNT, lambda row: row.gainers),
        Cell("losers", "losers", Look.COUNT, lambda row: row.losers),
        Cell("unchanged", "unchanged", Look.COUNT, lambda row: row.unchanged),
        Cell("balance", "advance - decline", Look.SHARE, lambda row: row.balance),
        Cell("mean", "mean change, %", Look.NUMBER, lambda row: row.mean),
        Cell("median", "median change, %", Look.NUMBER, lambda row: row.median),
    )


def title(request: Sentiment) -> str:
    return f"Sentiment: change over 24h of all assets, at the newest poll of each {request.every.words}"
