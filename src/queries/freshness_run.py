"""Freshness asked: source by source, stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator

from cryptoproxy.queries import freshness
from cryptoproxy.queries.errors import NothingFound
from cryptoproxy.queries.freshness import Freshness, FreshnessRow, Grid, Slots
from cryptoproxy.queries.periods import Period
from cryptoproxy.queries.search import Search


def rows(search: Search, request: Freshness) -> Iterator[FreshnessRow]:
    """One row per source, the stalest first.

    Raises:
        NothingFound: the index is empty, or has nothing of a source that was asked for.
    """
    there = [each["key"] for each in search(freshness.sources_body())["aggregations"]["sources"]["buckets"]]
    if not there:
        raise NothingFound(f"{search.index} is empty: nothing has been indexed yet")
    if unknown := [each for each in request.sources if each not in there]:
        raise NothingFound(f"no record of {', '.join(unknown)}; there are records of {', '.join(sorted(there))}")
    found = [_of(search, request, source) for source in request.sources or there]
    yield from sorted((each for each in found if each is not None), key=lambda row: row.newest_ms)


def _of(search: Search, request: Freshness, source: str) -> FreshnessRow | None:
    """None for a source whose first record is younger than the period."""
    before = request.period.end_ms
    newest = freshness.end_of(search(freshness.end_body(source, before_ms=before, newest=True)))
    first = freshness.end_of(search(freshness.end_body(source, before_ms=before, newest=False)))
    if newest is None or first is None:
        return None
    grid = _grid(search, request, source, newest)
    expected: range | None = None
    records = duplicates = 0
    if grid.interval_ms is not None:
        expected = freshness.expected(request.period, first_ms=first, interval_ms=grid.interval_ms)
    present = 0
    for stretch in freshness.stretches(request.period, grid):
        for part in _whole(search, source, stretch):
            records += part.records
            duplicates += part.duplicates
            if expected is not None and grid.interval_ms is not None:
                present += sum(1 for slot in {slot // grid.interval_ms for slot in part.slots} if slot in expected)
    return FreshnessRow(
        source=source,
        newest_ms=newest,
        age_ms=before - newest,
        interval_ms=grid.interval_ms,
        interval_told=grid.told,
        assets=grid.records,
        records=records,
        expected=None if expected is None else len(expected),
        missing=None if expected is None else max(0, len(expected) - present),
        duplicates=duplicates,
    )


def _grid(search: Search, request: Freshness, source: str, newest_ms: int) -> Grid:
    found: Grid | None = None
    for look_back in freshness.LOOK_BACK_MS:
        answer = search(freshness.grid_body(source, newest_ms=newest_ms, look_back_ms=look_back))
        found, sure = freshness.grid_of(answer, request.interval)
        if sure:
            break
    assert found is not None  # noqa: S101 - there is a look-back
    return found


def _whole(search: Search, source: str, stretch: Period) -> Iterator[Slots]:
    """A stretch, halved as long as it has more slots than one answer holds."""
    part = freshness.slots_of(search(freshness.slots_body(source, stretch)))
    if part.whole:
        yield part
        return
    middle = stretch.begin_ms + stretch.length_ms // 2
    yield from _whole(search, source, Period(stretch.begin_ms, middle))
    yield from _whole(search, source, Period(middle, stretch.end_ms))
