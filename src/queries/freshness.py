"""Is the data fresh and whole: for each source the age of its newest record, missing slots, duplicates.

Slots are multiples of a source's interval. It is told, or the most common gap between its newest slots. A slot is
expected from the source's first record on, until a minute (or an interval, if that is longer) before the period's end.
Two records of one source, asset, quote and slot are a duplicate: the indexer's ids allow none, so another writer, or
an index added to the alias, has made it. All exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptoproxy.common.record import iso
from cryptoproxy.queries.answer import Column, Kind
from cryptoproxy.queries.periods import DAY_MS, Interval, Period
from cryptoproxy.queries.scope import MAX_BUCKETS, Json

SAMPLE = 1_000
"""Slots that the interval is read from."""
LOOK_BACK_MS = (3_600_000, DAY_MS, 32 * DAY_MS, 400 * DAY_MS)
ENOUGH = 20
"""Slots that settle the interval; with fewer, it is looked for further back."""
GRACE_MS = 60_000
MAX_RECORDS = 50_000
"""Looked at by one search: each is a bucket in Elasticsearch's memory for a while."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """``sources`` empty: all that there are. ``interval`` of None is found out for each."""

    period: Period
    sources: tuple[str, ...] = ()
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """``told`` says whether a person did. ``records`` is the largest number of records in one slot."""

    interval_ms: int | None
    told: bool
    records: int


@dataclass(frozen=True, slots=True)
class Slots:
    """What one search found of a stretch: its slots, how many records, how many of them are a second copy."""

    slots: frozenset[int]
    records: int
    duplicates: int
    whole: bool
    """False: there were more slots than one answer holds; ask for a shorter stretch."""


@dataclass(frozen=True, slots=True)
class FreshnessRow:
    """``missing`` of ``expected`` slots; both None where no interval is known."""

    source: str
    newest_ms: int
    age_ms: int
    interval_ms: int | None
    interval_told: bool
    assets: int
    records: int
    expected: int | None
    missing: int | None
    duplicates: int

    @property
    def missing_share(self) -> float | None:
        """A fraction of 1; 0 where nothing was to be expected."""
        if self.missing is None or self.expected is None:
            return None
        return self.missing / self.expected if self.expected else 0.0


def sources_body() -> Json:
    """Answered from the index's own statistics, however many records there are."""
    return {"size": 0, "track_total_hits": False, "aggs": {"sources": {"terms": {"field": "source", "size": 1_000}}}}


def end_body(source: str, *, before_ms: int, newest: bool) -> Json:
    """The newest or the first record of a source."""
    return {
        "size": 1,
        "track_total_hits": False,
        "query": _query(source, None, before_ms),
        "sort": [{"timestamp": "desc" if newest else "asc"}],
        "_source": False,
    }


def end_of(answer: Mapping[str, Any]) -> int | None:
    """Its slot."""
    hits = answer["hits"]["hits"]
    return int(hits[0]["sort"][0]) if hits else None


def grid_body(source: str, *, newest_ms: int, look_back_ms: int) -> Json:
    """The newest slots of a source and how many records each has."""
    newest_first = [{"timestamp": {"terms": {"field": "timestamp", "order": "desc"}}}]
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _query(source, newest_ms - look_back_ms, newest_ms + 1),
        "aggs": {"rows": {"composite": {"size": SAMPLE, "sources": newest_first}}},
    }


def grid_of(answer: Mapping[str, Any], told: Interval | None) -> tuple[Grid, bool]:
    """The grid, and whether the sample was large enough to be sure of it."""
    buckets = answer["aggregations"]["rows"]["buckets"]
    slots = [bucket["key"]["timestamp"] for bucket in buckets]
    records = max((bucket["doc_count"] for bucket in buckets), default=1)
    if told is not None:
        return Grid(told.ms, True, records), True
    gaps = Counter(later - earlier for later, earlier in pairwise(slots))
    # Of two gaps equally common the shorter: longer ones come of missing slots.
    common = min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else None
    return Grid(common, False, records), len(slots) >= ENOUGH


def stretches(period: Period, grid: Grid) -> Sequence[Period]:
    """The period in parts that one search each can look at."""
    slots = max(1, min(MAX_BUCKETS, MAX_RECORDS // grid.records))
    step = slots * (grid.interval_ms or period.length_ms)
    return list(period.cut(step))


def slots_body(source: str, period: Period) -> Json:
    """Each slot of a stretch, and of each asset only the slots that are there twice."""
    twice = {"twice": {"terms": {"field": "timestamp", "size": MAX_BUCKETS, "min_doc_count": 2}}}
    assets = {"assets": {"terms": {"field": "asset_id", "size": MAX_BUCKETS, "min_doc_count": 2}, "aggs": twice}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _query(source, period.begin_ms, period.end_ms),
        "aggs": {
            "slots": {"terms": {"field": "timestamp", "size": MAX_BUCKETS}},
            "quotes": {"terms": {"field": "quote", "size": 1_000}, "aggs": assets},
        },
    }


def slots_of(answer: Mapping[str, Any]) -> Slots:
    found = answer["aggregations"]
    duplicates = sum(
        slot["doc_count"] - 1
        for quote in found["quotes"]["buckets"]
        for asset in quote["assets"]["buckets"]
        for slot in asset["twice"]["buckets"]
    )
    slots = found["slots"]
    return Slots(
        frozenset(slot["key"] for slot in slots["buckets"]),
        sum(slot["doc_count"] for slot in slots["buckets"]),
        duplicates,
        whole=not slots["sum_other_doc_count"],
    )


def expected(period: Period, *, first_ms: int, interval_ms: int) -> range:
    """The slots that should be there, as multiples of the interval."""
    begin = max(period.begin_ms, first_ms)
    end = period.end_ms - max(GRACE_MS, interval_ms)
    return range(-(-begin // interval_ms), max(-(-begin // interval_ms), end // interval_ms + 1))


def columns(_: Freshness) -> tuple[Column[FreshnessRow], ...]:
    return (
        Column("source", "source", Kind.TEXT, lambda row: row.source),
        Column("newest", "newest slot (UTC)", Kind.TIME, lambda row: row.newest_ms),
        Column("age_ms", "age", Kind.AGE, lambda row: row.age_ms),
        Column("interval_ms", "interval", Kind.SPAN, lambda row: row.interval_ms),
        Column("interval_is", "interval is", Kind.TEXT, lambda row: "told" if row.interval_told else "inferred"),
        Column("assets", "assets", Kind.COUNT, lambda row: row.assets),
        Column("records", "records", Kind.COUNT, lambda row: row.records),
        Column("expected", "slots expected", Kind.COUNT, lambda row: row.expected),
        Column("missing", "missing", Kind.COUNT, lambda row: row.missing),
        Column("missing_share", "missing share", Kind.SHARE, lambda row: row.missing_share),
        Column("duplicates", "duplicates", Kind.COUNT, lambda row: row.duplicates),
    )


def title(_: Freshness) -> str:
    return "Freshness and gaps of each source"


def _query(source: str, begin_ms: int | None, end_ms: int) -> Json:
    time: Json = {"lt": iso(end_ms)} if begin_ms is None else {"gte": iso(begin_ms), "lt": iso(end_ms)}
    return {"bool": {"filter": [{"term": {"source": source}}, {"range": {"timestamp": time}}]}}
