"""Is the data fresh and whole: for each source of each dataset the age of its newest record, missing slots, duplicates.

``slots`` works out which slots should be there. Two records of one source, asset, quote and slot are a duplicate:
the indexer's ids allow none, so another writer, or an index added to the alias, has made it. All exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptoproxy.datasets import DATASETS, TICKER, Dataset
from cryptoproxy.datasets.contracts.ticker import LONGEST_INTERVAL_MS, SHORTEST_INTERVAL_MS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.answer import Cell, Covers, Look, NothingFound
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.notes import stored_there
from cryptoproxy.queries.periods import Interval, written
from cryptoproxy.queries.questions.slots import (
    ENOUGH,
    GRACE_MS,
    Polled,
    Slot,
    SlotGrid,
    gaps,
    most_common,
    with_intervals,
)
from cryptoproxy.queries.scope import MAX_BUCKETS, Json, Seen
from cryptoproxy.queries.series import SEVERAL, Series

SAMPLE = 1_000
"""Slots that an interval is read from where the period has too few."""
LOOK_BACK_MS = (3_600_000, DAY_MS, 32 * DAY_MS, 400 * DAY_MS)
LATE_MS = 20 * 60_000
"""A bar is expected so long after its end, or its length if that is shorter: CoinGecko makes its answers anew each
quarter of an hour."""
MAX_RECORDS = 50_000
"""Looked at by one search: each is a bucket in Elasticsearch's memory for a while."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """``sources`` empty: all that there are. ``interval`` of None is what the records, or their contract, tell.

    ``datasets`` with a part, or None for all parts of it; empty: all that there are.
    """

    period: Span
    sources: tuple[str, ...] = ()
    interval: Interval | None = None
    datasets: tuple[tuple[Dataset[Any], str | None], ...] = ()

    @property
    def first(self) -> Dataset[Any]:
        return self.datasets[0][0] if self.datasets else TICKER

    def wants(self, series: Series) -> bool:
        return not self.datasets or any(
            dataset is series.dataset and part in (None, series.part) for dataset, part in self.datasets
        )


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
    """``missing`` of ``expected`` slots; both None where no interval is known, or none is kept. ``seen``: slots within
    the period. ``assets``: records of the newest slot that is whole; of what is replaced, all of the period."""

    series: Series
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
    def source(self) -> str:
        return self.series.source

    @property
    def missing_share(self) -> float | None:
        """A fraction of 1; 0 where nothing was to be expected."""
        if self.missing is None or self.expected is None:
            return None
        return self.missing / self.expected if self.expected else 0.0


# ---- what is asked


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


def stretches(period: Span, grid: SlotGrid) -> Sequence[Span]:
    """The period in parts that one search each can look at."""
    slots = max(1, min(MAX_BUCKETS, MAX_RECORDS // grid.records))
    step = slots * (grid.interval_ms or period.length_ms)
    return list(period.parts(step))


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


# ---- asked: source by source


def rows(engine: Backend, request: Freshness, covers: Covers, notes: list[str]) -> Iterator[FreshnessRow]:
    """One row per dataset, part and source: in the order of the table, of each the stalest first.

    Raises:
        NothingFound: there are no records at all, or none before the period's end, or of a source that was asked for.
    """
    named = {dataset.name for dataset, _ in request.datasets}
    wanted = [each for each in DATASETS.values() if (each.name in named if named else each.alias is not None)]
    there = [series for dataset in wanted for series in engine.series(dataset) if request.wants(series)]
    if not there:
        place = engine.place(request.first)
        what = ", ".join(dataset.called(part or "") for dataset, part in request.datasets)
        empty = f"{place} is empty: nothing" if what in ("", TICKER.name) else f"{place}: no {what}"
        raise NothingFound(f"{empty} has been {stored_there(engine.name)} yet")
    sources = {series.source for series in there}
    if unknown := [each for each in request.sources if each not in sources]:
        raise NothingFound(f"no record of {', '.join(unknown)}; there are records of {', '.join(sorted(sources))}")
    asked = [series for series in there if not request.sources or series.source in request.sources]
    found = [(series, _of(engine, request, series, notes)) for series in asked]
    if young := [series for series, row in found if row is None]:
        said = f"{', '.join(each.name for each in young)}: no record before {written(request.period.end_ms)}"
        if len(young) == len(found):
            raise NothingFound(f"{said}, where the period ends")
        notes.append(said)
    order = list(dict.fromkeys((series.dataset.name, series.part) for series in asked))
    rows = [row for _, row in found if row is not None]
    for row in sorted(rows, key=lambda row: (order.index((row.series.dataset.name, row.series.part)), row.newest_ms)):
        if row.seen is not None:
            covers.see(row.seen)
        yield row


def _of(engine: Backend, request: Freshness, series: Series, notes: list[str]) -> FreshnessRow | None:
    """None for a source whose first record is younger than the period."""
    before = request.period.end_ms
    ends = engine.ends(series, before)
    if ends is None:
        return None
    first, newest = ends
    if not series.has_slots:
        records = engine.records(series, request.period)
        seen = Seen(max(first, request.period.begin_ms), newest) if newest in request.period else None
        return FreshnessRow(series, newest, before - newest, None, "none", records, records, None, None, 0, seen)
    grid = _grid(engine, request, series, newest)
    slots: list[Slot] = []
    records = duplicates = 0
    for part in engine.slots(series, request.period, grid):
        records += part.records
        duplicates += part.duplicates
        slots += part.slots
    missing = expected = None
    if grid.interval_ms is not None:
        known = with_intervals(slots, grid)
        late = min(series.step_ms or 0, LATE_MS)
        until = Span(request.period.begin_ms, max(request.period.begin_ms, before - late))
        missing, expected = gaps(known, until, first_ms=first, interval_ms=grid.interval_ms)
        if len(changed := list(dict.fromkeys(every for _, every in known))) > 1:
            words = ", ".join(Interval.of_ms(every).text for every in changed[:5])
            notes.append(
                f"{series.name}: the interval changed within the period ({words}); each part is held against its own"
            )
    return FreshnessRow(
        series=series,
        newest_ms=newest,
        age_ms=before - newest,
        interval_ms=grid.interval_ms,
        interval_is="contract" if series.step_ms and request.interval is None else grid.origin,
        assets=grid.assets,
        records=records,
        expected=expected,
        missing=missing,
        duplicates=duplicates,
        seen=Seen(slots[0].at_ms, slots[-1].at_ms) if slots else None,
    )


def _grid(engine: Backend, request: Freshness, series: Series, newest_ms: int) -> SlotGrid:
    found: SlotGrid | None = None
    told = request.interval or (Interval.of_ms(series.step_ms) if series.step_ms else None)
    for look_back in LOOK_BACK_MS:
        polled = engine.polled(series, Span(newest_ms - look_back, newest_ms + 1))
        found, sure = grid_of(polled, told, end_ms=request.period.end_ms)
        if sure:
            break
    assert found is not None  # noqa: S101 - there is a look-back
    return found


# ---- shown


def columns(_: Freshness) -> tuple[Cell[FreshnessRow], ...]:
    return (
        Cell("dataset", "dataset", Look.TEXT, lambda row: row.series.dataset.called(row.series.part)),
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
