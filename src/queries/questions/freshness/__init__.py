"""Is the data fresh and whole: for each source of each dataset the age of its newest record, missing slots, duplicates.

``slots`` works out which slots should be there, ``bodies`` finds those that are. Two records of one source, asset,
quote and slot are a duplicate: the indexer's ids allow none, so another writer, or an index added to the alias, has
made it. All exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptoproxy.datasets import DATASETS, TICKER, Dataset
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.answer import Cell, Covers, Look, NothingFound
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.notes import stored_there
from cryptoproxy.queries.periods import Interval, written
from cryptoproxy.queries.questions.freshness import bodies
from cryptoproxy.queries.questions.freshness.slots import Slot, SlotGrid, gaps, with_intervals
from cryptoproxy.queries.scope import Seen
from cryptoproxy.queries.series import Series

LOOK_BACK_MS = (3_600_000, DAY_MS, 32 * DAY_MS, 400 * DAY_MS)
LATE_MS = 20 * 60_000
"""A bar is expected so long after its end, or its length if that is shorter: CoinGecko makes its answers anew each
quarter of an hour."""


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
    # Of a day at a second's interval it is looked for in stretches of seconds: not where no record can be.
    there = Span(max(first, request.period.begin_ms), min(newest + 1, request.period.end_ms))
    for part in () if there.empty else engine.slots(series, there, grid):
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
        found, sure = bodies.grid_of(polled, told, end_ms=request.period.end_ms)
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
