"""Is the data fresh and whole: for each source the age of its newest record, missing slots, duplicates.

``slots`` works out which slots should be there. Two records of one source, asset, quote and slot are a duplicate:
the indexer's ids allow none, so another writer, or an index added to the alias, has made it. All exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.ticker import LONGEST_INTERVAL_MS, SHORTEST_INTERVAL_MS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.answer import Cell, Covers, Look, NothingFound
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.notes import stored_there
from cryptoproxy.queries.periods import Interval, written
from cryptoproxy.queries.questions.slots import ENOUGH, GRACE_MS, Grid, Polled, Slot, gaps, most_common, with_intervals
from cryptoproxy.queries.scope import MAX_BUCKETS, Json, Seen

SAMPLE = 1_000
"""Slots that an interval is read from where the period has too few."""
LOOK_BACK_MS = (3_600_000, DAY_MS, 32 * DAY_MS, 400 * DAY_MS)
MAX_RECORDS = 50_000
"""Looked at by one search: each is a bucket in Elasticsearch's memory for a while."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """``sources`` empty: all that there are. ``interval`` of None is what the records tell."""

    period: Span
    sources: tuple[str, ...] = ()
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Slots:
    """What one search found of a stretch: its slots, how many records, how many of them are a second copy."""

    slots: tuple[Slot, ...]
    """In the order of time."""
    records: int
    duplicates: int
    whole: bool
    """False: there were more slots than one answer holds; ask for a shorter stretch."""


@dataclass(frozen=True, slots=True)
class FreshnessRow:
    """``missing`` of ``expected`` slots; both None where no interval is known. ``seen``: slots within the period."""

    source: str
    newest_ms: int
    age_ms: int
    interval_ms: int | None
    interval_is: str
    assets: int
    records: int
    expected: int | None
    missing: int | None
    duplicates: int
    seen: Seen | None

    @property
    def missing_share(self) -> float | None:
        """A fraction of 1; 0 where nothing was to be expected."""
        if self.missing is None or self.expected is None:
            return None
        return self.missing / self.expected if self.expected else 0.0


# ---- what is asked


def sources_body() -> Json:
    """Answered from the index's own statistics, however many records there are."""
    return {"size": 0, "track_total_hits": False, "aggs": {"sources": {"terms": {"field": "source", "size": 1_000}}}}


def sources_of(answer: Mapping[str, Any]) -> list[str]:
    return [each["key"] for each in answer["aggregations"]["sources"]["buckets"]]


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


_INTERVAL: Mapping[str, Json] = {"interval": {"max": {"field": "interval_ms"}}}


def grid_body(source: str, period: Span) -> Json:
    """The newest slots of a source, how many records each has, and the interval that they tell."""
    newest_first = [{"timestamp": {"terms": {"field": "timestamp", "order": "desc"}}}]
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _query(source, period.begin_ms, period.end_ms),
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


def grid_of(polled: Sequence[Polled], told: Interval | None, *, end_ms: int) -> tuple[Grid, bool]:
    """The grid, and whether the sample was large enough to be sure of it."""
    slots = [each.at_ms for each in polled]
    records = max((each.records for each in polled), default=1)
    # Of a slot that is not over, records may still be on their way.
    whole = [each.records for each in polled if each.at_ms <= end_ms - GRACE_MS]
    assets = next(iter(whole or [each.records for each in polled]), 0)
    if told is not None:
        return Grid(told.ms, "told", assets, records), True
    if polled and polled[0].interval_ms is not None:
        return Grid(polled[0].interval_ms, "recorded", assets, records), True
    common = most_common(Counter(later - earlier for later, earlier in pairwise(slots)))
    return Grid(common, "inferred", assets, records), len(slots) >= ENOUGH


def stretches(period: Span, grid: Grid) -> Sequence[Span]:
    """The period in parts that one search each can look at."""
    slots = max(1, min(MAX_BUCKETS, MAX_RECORDS // grid.records))
    step = slots * (grid.interval_ms or period.length_ms)
    return list(period.parts(step))


def slots_body(source: str, period: Span) -> Json:
    """Each slot of a stretch with its interval, and of each asset only the slots that are there twice."""
    twice = {"twice": {"terms": {"field": "timestamp", "size": MAX_BUCKETS, "min_doc_count": 2}}}
    assets = {"assets": {"terms": {"field": "asset_id", "size": MAX_BUCKETS, "min_doc_count": 2}, "aggs": twice}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _query(source, period.begin_ms, period.end_ms),
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
        for slot in asset["twice"]["buckets"]
    )
    buckets = found["slots"]["buckets"]
    slots = (Slot(each["key"], _interval_of(each)) for each in buckets)
    return Slots(
        tuple(sorted(slots)),
        sum(each["doc_count"] for each in buckets),
        duplicates,
        whole=not found["slots"]["sum_other_doc_count"],
    )


# ---- asked: source by source


def rows(engine: Backend, request: Freshness, covers: Covers, notes: list[str]) -> Iterator[FreshnessRow]:
    """One row per source, the stalest first.

    Raises:
        NothingFound: there are no records at all, or none before the period's end, or of a source that was asked for.
    """
    there = engine.sources()
    if not there:
        raise NothingFound(f"{engine.place} is empty: nothing has been {stored_there(engine.name)} yet")
    if unknown := [each for each in request.sources if each not in there]:
        raise NothingFound(f"no record of {', '.join(unknown)}; there are records of {', '.join(sorted(there))}")
    asked = request.sources or there
    found = {source: _of(engine, request, source, notes) for source in asked}
    if young := [source for source, row in found.items() if row is None]:
        said = f"{', '.join(young)}: no record before {written(request.period.end_ms)}"
        if len(young) == len(found):
            raise NothingFound(f"{said}, where the period ends")
        notes.append(said)
    for row in sorted((each for each in found.values() if each is not None), key=lambda row: row.newest_ms):
        if row.seen is not None:
            covers.see(row.seen)
        yield row


def _of(engine: Backend, request: Freshness, source: str, notes: list[str]) -> FreshnessRow | None:
    """None for a source whose first record is younger than the period."""
    before = request.period.end_ms
    ends = engine.ends(source, before)
    if ends is None:
        return None
    first, newest = ends
    grid = _grid(engine, request, source, newest)
    slots: list[Slot] = []
    records = duplicates = 0
    for part in engine.slots(source, request.period, grid):
        records += part.records
        duplicates += part.duplicates
        slots += part.slots
    missing = expected = None
    if grid.interval_ms is not None:
        known = with_intervals(slots, grid)
        missing, expected = gaps(known, request.period, first_ms=first, interval_ms=grid.interval_ms)
        if len(changed := list(dict.fromkeys(every for _, every in known))) > 1:
            words = ", ".join(Interval.of_ms(every).text for every in changed[:5])
            notes.append(
                f"{source}: the interval changed within the period ({words}); each part is held against its own"
            )
    return FreshnessRow(
        source=source,
        newest_ms=newest,
        age_ms=before - newest,
        interval_ms=grid.interval_ms,
        interval_is=grid.origin,
        assets=grid.assets,
        records=records,
        expected=expected,
        missing=missing,
        duplicates=duplicates,
        seen=Seen(slots[0].at_ms, slots[-1].at_ms) if slots else None,
    )


def _grid(engine: Backend, request: Freshness, source: str, newest_ms: int) -> Grid:
    found: Grid | None = None
    for look_back in LOOK_BACK_MS:
        polled = engine.polled(source, Span(newest_ms - look_back, newest_ms + 1))
        found, sure = grid_of(polled, request.interval, end_ms=request.period.end_ms)
        if sure:
            break
    assert found is not None  # noqa: S101 - there is a look-back
    return found


# ---- shown


def columns(_: Freshness) -> tuple[Cell[FreshnessRow], ...]:
    return (
        Cell("source", "source", Look.TEXT, lambda row: row.source),
        Cell("newest", "newest slot (UTC)", Look.TIME, lambda row: row.newest_ms),
        Cell("age_ms", "age", Look.AGE, lambda row: row.age_ms),
        Cell("interval_ms", "interval", Look.SPAN, lambda row: row.interval_ms),
        Cell("interval_is", "interval is", Look.TEXT, lambda row: row.interval_is),
        Cell("assets", "assets", Look.COUNT, lambda row: row.assets),
        Cell("records", "records", Look.COUNT, lambda row: row.records),
        Cell("expected", "slots expected", Look.COUNT, lambda row: row.expected),
        Cell("missing", "missing", Look.COUNT, lambda row: row.missing),
        Cell("missing_share", "missing share", Look.SHARE, lambda row: row.missing_share),
        Cell("duplicates", "duplicates", Look.COUNT, lambda row: row.duplicates),
        Cell("data_from", "data from (UTC)", Look.TIME, lambda row: row.seen.first_ms if row.seen else None),
        Cell("data_to", "data to (UTC)", Look.TIME, lambda row: row.seen.last_ms if row.seen else None),
    )


def title(_: Freshness) -> str:
    return "Freshness and gaps of each source"


def _query(source: str, begin_ms: int | None, end_ms: int) -> Json:
    time: Json = {"lt": iso(end_ms)} if begin_ms is None else {"gte": iso(begin_ms), "lt": iso(end_ms)}
    return {"bool": {"filter": [{"term": {"source": source}}, {"range": {"timestamp": time}}]}}
