"""Figures of each step of time, for each asset: what the questions about trades and order books have in common.

A question says which :class:`Measure` it wants of which dataset; each engine gives them in one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from cryptoproxy.datasets import Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import NothingFound
from cryptoproxy.queries.backend import Backend, Findings
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import Interval, words_of
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

ASSETS_PAGE = 1_000


class Measure(NamedTuple):
    """One figure. Records without the field do not count in it."""

    of: Literal["sum", "avg", "min", "max", "value_count"]
    field: str
    side: str = ""
    """Only of trades of this side."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is asked of an engine. ``question`` is its name: ``trades``."""

    question: str
    scope: Scope
    every: Interval
    dataset: Dataset[Any]
    measures: tuple[Measure, ...]


class Step(NamedTuple):
    """One asset's figures, in the order of the measures. A sum of nothing is 0, all else of nothing None; so is what
    does not fit into a double."""

    asset: AssetRef
    begin_ms: int
    records: int
    values: tuple[float | None, ...]
    seen: Seen


def rows(engine: Backend, request: Steps, watch: Noting) -> Iterator[Step]:
    """Step by step of one asset, then of the next.

    Raises:
        NothingFound: there is no such record at all.
    """
    for told in engine.steps(request):
        watch.see(told.asset, told.seen, has_value=bool(told.rows))
        yield from told.rows
    if not watch.saw_any:
        name, scope = request.dataset.name, request.scope
        there = engine.sources(request.dataset)
        have = (
            f"; there are {name}s of {', '.join(there)}" if there else f"; none was ever stored, see SOURCES=….{name}"
        )
        raise NothingFound(f"no {name} of {scope} that fits in {words_of(scope.period)}{have}")


# ---- asked of Elasticsearch


def assets_body(scope: Scope, after: Mapping[str, Any] | None = None) -> Json:
    """Which assets there are."""
    return _body(scope, by_asset({}, size=ASSETS_PAGE, after=after))


def body(request: Steps, scope: Scope, period: Span) -> Json:
    """Steps of the scope's chosen assets in a part of the period."""
    measured = {f"m{number}": _measured(each) for number, each in enumerate(request.measures)}
    histogram = {"date_histogram": {**request.every.histogram(), "min_doc_count": 1}, "aggs": {**SEEN, **measured}}
    return _body(replace(scope, period=period), by_asset({"steps": histogram}, size=len(scope.chosen) or MAX_BUCKETS))


def _measured(measure: Measure) -> Json:
    found: Json = {measure.of: {"field": measure.field}}
    if not measure.side:
        return found
    return {"filter": {"term": {"side": measure.side}}, "aggs": {"value": found}}


def told(bucket: Mapping[str, Any], measures: Sequence[Measure]) -> Findings[Step]:
    """Of one asset."""
    asset = asset_of(bucket)
    made = [
        Step(asset, each["key"], each["doc_count"], _values(each, measures), seen_of(each))
        for each in bucket["steps"]["buckets"]
    ]
    return Findings(asset, made, seen_of(bucket))


def _values(bucket: Mapping[str, Any], measures: Sequence[Measure]) -> tuple[float | None, ...]:
    found = (bucket[f"m{number}"] for number in range(len(measures)))
    return tuple(
        finite((each["value"] if measure.side else each)["value"])
        for each, measure in zip(found, measures, strict=True)
    )


def _body(scope: Scope, aggregations: Json) -> Json:
    return {"size": 0, "track_total_hits": False, "query": scope.query(), "aggs": aggregations}
