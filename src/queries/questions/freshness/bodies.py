"""The searches that freshness asks of a source: its ends, its newest slots, and each slot of a stretch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptoproxy.datasets.contracts.ticker import LONGEST_INTERVAL_MS, SHORTEST_INTERVAL_MS
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions.freshness.slots import ENOUGH, GRACE_MS, Polled, Slot, SlotGrid, most_common
from cryptoproxy.queries.scope import MAX_BUCKETS, Json
from cryptoproxy.queries.series import SEVERAL, Series

SAMPLE = 1_000
"""Slots that an interval is read from where the period has too few."""
MAX_RECORDS = 50_000
"""Looked at by one search: each is a bucket in Elasticsearch's memory for a while."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What one search found of a stretch: its slots, how many records, how many of them are a second copy."""

    slots: tuple[Slot, ...]
    """In the order of time."""
    records: int
    duplicates: int
    whole: bool
    """False: there were more slots than one answer holds; ask for a shorter stretch."""


def end_body(series: Series, *, before_ms: int, newest: bool) -> Json:
    """The newest or the first record of a source."""
    return {
        "size": 1,
        "track_total_hits": False,
        "query": series.query(None, before_ms),
        "sort": [{"timestamp": "desc" if newest else "asc"}],
        "_source": False,
    }


def end_of(answer: Mapping[str, Any]) -> int | None:
    """Its slot."""
    hits = answer["hits"]["hits"]
    return int(hits[0]["sort"][0]) if hits else None


_INTERVAL: Mapping[str, Json] = {"interval": {"max": {"field": "interval_ms"}}}


def grid_body(series: Series, period: Span) -> Json:
    """The newest slots of a source, how many records each has, and the interval that they tell."""
    newest_first = [{"timestamp": {"terms": {"field": "timestamp", "order": "desc"}}}]
    return {
        "size": 0,
        "track_total_hits": False,
        "query": series.query(period.begin_ms, period.end_ms),
        "aggs": {"rows": {"composite": {"size": SAMPLE, "sources": newest_first}, "aggs": _INTERVAL}},
    }


def polled_of(answer: Mapping[str, Any]) -> list[Polled]:
    """The newest first."""
    buckets = answer["aggregations"]["rows"]["buckets"]
    return [Polled(each["key"]["timestamp"], _interval_of(each), each["doc_count"]) for each in buckets]


def _interval_of(bucket: Mapping[str, Any]) -> int | None:
    """What the records of a slot tell; None for what is no interval."""
    value = bucket["interval"]["value"]
    return int(value) if value is not None and SHORTEST_INTERVAL_MS <= value <= LONGEST_INTERVAL_MS else None


def grid_of(polled: Sequence[Polled], told: Interval | None, *, end_ms: int) -> tuple[SlotGrid, bool]:
    """The grid, and whether the sample was large enough to be sure of it."""
    slots = [each.at_ms for each in polled]
    records = max((each.records for each in polled), default=1)
    # Of a slot that is not over, records may still be on their way.
    whole = [each.records for each in polled if each.at_ms <= end_ms - GRACE_MS]
    assets = next(iter(whole or [each.records for each in polled]), 0)
    if told is not None:
        return SlotGrid(told.ms, "told", assets, records), True
    if polled and polled[0].interval_ms is not None:
        return SlotGrid(polled[0].interval_ms, "recorded", assets, records), True
    common = most_common(Counter(later - earlier for later, earlier in pairwise(slots)))
    return SlotGrid(common, "inferred", assets, records), len(slots) >= ENOUGH


def stretches(period: Span, grid: SlotGrid, days: Collection[int] | None = None) -> Sequence[Span]:
    """The period in parts that one search each can look at, those that touch one of ``days`` (all, if None)."""
    slots = max(1, min(MAX_BUCKETS, MAX_RECORDS // grid.records))
    step = slots * (grid.interval_ms or period.length_ms)
    return list(period.parts(step, days))


def slots_body(series: Series, period: Span) -> Json:
    """Each slot of a stretch with its interval, and of each asset only the slots that are there twice."""
    twice: Json = {"twice": {"terms": {"field": "timestamp", "size": MAX_BUCKETS, "min_doc_count": 2}}}
    if series.has(SEVERAL):
        twice = {"several": {"terms": {"field": SEVERAL, "size": 1_000, "min_doc_count": 2}, "aggs": twice}}
    assets = {"assets": {"terms": {"field": "asset_id", "size": MAX_BUCKETS, "min_doc_count": 2}, "aggs": twice}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": series.query(period.begin_ms, period.end_ms),
        "aggs": {
            "slots": {"terms": {"field": "timestamp", "size": MAX_BUCKETS}, "aggs": _INTERVAL},
            "quotes": {"terms": {"field": "quote", "size": 1_000}, "aggs": assets},
        },
    }


def slots_of(answer: Mapping[str, Any]) -> Slots:
    found = answer["aggregations"]
    duplicates = sum(
        slot["doc_count"] - 1
        for quote in found["quotes"]["buckets"]
        for asset in quote["assets"]["buckets"]
        for slot in _twice(asset)
    )
    buckets = found["slots"]["buckets"]
    slots = (Slot(each["key"], _interval_of(each)) for each in buckets)
    return Slots(
        tuple(sorted(slots)),
        sum(each["doc_count"] for each in buckets),
        duplicates,
        whole=not found["slots"]["sum_other_doc_count"],
    )


def _twice(asset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in asset["several"]["buckets"] if "several" in asset else [asset]:
        yield from each["twice"]["buckets"]
