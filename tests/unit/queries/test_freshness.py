"""Which slots should be there: no Elasticsearch needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, from_iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.elastic.engine import Elastic
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions.average import Average
from cryptoproxy.queries.questions.flow.steps import Steps
from cryptoproxy.queries.questions.freshness import Freshness, _of, bodies, slots
from cryptoproxy.queries.questions.market import MarketFigures
from cryptoproxy.queries.questions.sentiment import Sentiment
from cryptoproxy.queries.questions.volatility import Volatility
from cryptoproxy.queries.scope import AssetRef, Scope
from cryptoproxy.queries.series import Series

MINUTE = 60_000
HOUR = 60 * MINUTE


def slots_answer(*there: int, records: int = 1, interval: int | None = None) -> dict[str, Any]:
    buckets = [
        {"key": {"timestamp": slot}, "doc_count": records, "interval": {"value": interval}}
        for slot in sorted(there, reverse=True)
    ]
    return {"aggregations": {"rows": {"buckets": buckets}}}


def grid_of(*there: int, **more: Any) -> tuple[slots.SlotGrid, bool]:
    return bodies.grid_of(bodies.polled_of(slots_answer(*there, **more)), None, end_ms=10 * HOUR)


@pytest.mark.parametrize("interval", [-5, 0, 1, 10**15])
def test_what_can_be_no_interval_tells_none(interval: int) -> None:
    """A document that came past our indexer: without this, a year would be asked for millisecond by millisecond."""
    grid, _ = grid_of(0, MINUTE, 2 * MINUTE, interval=interval)
    assert (grid.interval_ms, grid.origin) == (MINUTE, "inferred")


def test_the_interval_is_what_the_newest_record_tells() -> None:
    grid, sure = grid_of(0, 60, 120, interval=10_000)
    assert (grid.interval_ms, grid.origin, sure) == (10_000, "recorded", True)
    assert grid_of(0, 60, 120, interval=0)[0].origin == "inferred"  # no interval at all


def test_without_it_the_interval_is_the_most_common_gap() -> None:
    grid, sure = grid_of(0, 60, 120, 300, 360, 420, records=3)
    assert (grid.interval_ms, grid.origin, grid.records, sure) == (60, "inferred", 3, False)
    assert grid_of(*range(0, 6000, 60))[1]
    assert grid_of(0, 60, 180)[0].interval_ms == 60  # of two as common the shorter
    assert grid_of(0)[0].interval_ms is None


def test_assets_are_those_of_the_newest_slot_that_is_over() -> None:
    """Not the most that there ever were: the number of coins may have been changed."""
    answer = slots_answer(0, MINUTE, 2 * MINUTE, 3 * MINUTE)
    for bucket, count in zip(answer["aggregations"]["rows"]["buckets"], (7, 20, 50, 50), strict=True):
        bucket["doc_count"] = count
    grid, _ = bodies.grid_of(bodies.polled_of(answer), None, end_ms=3 * MINUTE + 5_000)
    assert (grid.assets, grid.records) == (20, 50)


def polled(*stretches: tuple[int, int, int], told: bool = True, without: frozenset[int] = frozenset()) -> list[Any]:
    """Slots of stretches (begin, end, interval)."""
    return [
        slots.Slot(at, every if told else None)
        for begin, end, every in stretches
        for at in range(begin, end, every)
        if at not in without
    ]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("shorter_first", [True, False])
def test_after_a_change_of_the_interval_each_part_is_held_against_its_own(told: bool, shorter_first: bool) -> None:
    """30 s and 10 minutes; 3 slots of each are missing."""
    short, long = 30_000, 10 * MINUTE
    first, second = (short, long) if shorter_first else (long, short)
    middle, end = 6 * HOUR, 12 * HOUR
    without = frozenset(
        begin + number * every for begin, every in ((0, first), (middle, second)) for number in (5, 6, 20)
    )
    found = polled((0, middle, first), (middle, end, second), told=told, without=without)
    grid = slots.SlotGrid(second, "recorded" if told else "inferred", 50, 50)
    known = slots.with_intervals(found, grid)
    missing, expected = slots.gaps(known, Span(0, end), first_ms=0, interval_ms=second)
    assert missing == 6
    assert expected == 6 * HOUR // first + 6 * HOUR // second - (1 if second == short else 0)


def test_an_outage_is_counted_whatever_the_interval_is_known_from() -> None:
    hole = frozenset(range(2 * HOUR, 4 * HOUR, MINUTE))
    for told in (True, False):
        found = polled((0, 6 * HOUR, MINUTE), told=told, without=hole)
        known = slots.with_intervals(found, slots.SlotGrid(MINUTE, "inferred", 1, 1))
        assert slots.gaps(known, Span(0, 6 * HOUR), first_ms=0, interval_ms=MINUTE) == (120, 360)


def test_what_a_person_tells_holds_for_all() -> None:
    known = slots.with_intervals(polled((0, HOUR, MINUTE)), slots.SlotGrid(5 * MINUTE, "told", 1, 1))
    assert known == [(at, 5 * MINUTE) for at in range(0, HOUR, 5 * MINUTE)]


def test_nothing_is_expected_before_the_first_record_or_in_the_last_minute() -> None:
    def expected(end: int, first: int, every: int) -> int:
        return slots.gaps([], Span(0, end), first_ms=first, interval_ms=every)[1]

    assert expected(10 * MINUTE, 6 * MINUTE, MINUTE) == 4  # 6, 7, 8, 9
    assert expected(10 * MINUTE, 0, 5 * MINUTE) == 2  # 0, 5
    assert expected(MINUTE, 2 * MINUTE, MINUTE) == 0


def test_a_stretch_is_short_where_polls_are_large() -> None:
    day = Span(0, 86_400_000)
    small = bodies.stretches(day, slots.SlotGrid(60_000, "recorded", assets=50, records=50))
    large = bodies.stretches(day, slots.SlotGrid(60_000, "recorded", assets=50, records=2_500))
    assert (len(small), len(large)) == (2, 72)


@pytest.mark.parametrize(("first", "newest"), [(9 * HOUR, 9 * HOUR + 6 * MINUTE), (HOUR, 2 * HOUR), (0, 30 * HOUR)])
def test_no_stretch_is_looked_through_in_which_no_record_can_be(first: int, newest: int) -> None:
    """Six minutes of a whole market that is polled each second are not a day of stretches of half a minute."""
    period = Span(5 * HOUR, 29 * HOUR)
    looked: list[Span] = []

    class Held:
        def ends(self, series: Series, before_ms: int) -> tuple[int, int]:
            return first, min(newest, before_ms - 1)

        def polled(self, series: Series, span: Span) -> list[slots.Polled]:
            return [slots.Polled(at, 1_000, 2_500) for at in range(newest, newest - 200_000, -1_000)]

        def slots(self, series: Series, span: Span, grid: slots.SlotGrid) -> list[bodies.Slots]:
            looked.append(span)
            return []

    _of(Held(), Freshness(period), Series(TICKER, "binance"), [])  # type: ignore[arg-type]
    inside = Span(max(first, period.begin_ms), min(newest + 1, period.end_ms))
    assert looked == ([] if inside.empty else [inside])


class Index:
    """Has records of some days; ``asked`` are the times that are looked through."""

    index = "crypto-prices"

    def __init__(self, *days: int) -> None:
        self.days = days
        self.asked: list[Span] = []

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        if "days" in body["aggs"]:
            return {"aggregations": {"days": {"buckets": [{"key": each} for each in self.days]}}}
        time = next(each["range"]["timestamp"] for each in body["query"]["bool"]["filter"] if "range" in each)
        self.asked.append(Span(from_iso(time["gte"]), from_iso(time["lt"])))
        empty: dict[str, Any] = {"buckets": [], "sum_other_doc_count": 0}
        return {"aggregations": dict.fromkeys(("slots", "quotes", "rows", "sources"), empty)}

    def pages(self, body_after: object) -> Iterator[Any]:
        return iter(())


def elastic(index: Index) -> Elastic:
    return Elastic(dict.fromkeys((TICKER.name, CANDLE.name, MARKET.name), index))  # type: ignore[dict-item]


FIRST, LAST = (Span(day * DAY_MS, (day + 1) * DAY_MS) for day in (1, 6_000))
YEARS = Span(FIRST.begin_ms + HOUR, LAST.begin_ms + 5 * HOUR)


def test_of_years_only_the_days_that_have_a_record_are_looked_through() -> None:
    """One record of 2009 beside those of today was hundreds of thousands of searches."""
    index = Index(FIRST.begin_ms, LAST.begin_ms)
    grid = slots.SlotGrid(MINUTE, "recorded", assets=50, records=500)
    list(elastic(index).slots(Series(TICKER, "binance"), YEARS, grid))
    assert index.asked == [each for each in YEARS.parts(100 * MINUTE) if each.touches(FIRST) or each.touches(LAST)]


def test_so_is_a_long_period_at_a_short_step() -> None:
    index, every = Index(FIRST.begin_ms, LAST.begin_ms), Interval("1m", MINUTE)
    scope = Scope(YEARS, chosen=(AssetRef("binance", "X", "USDT", "X"),))
    for rows, steps in (
        (elastic(index).average(Average(scope, every=every)), 9_998),
        (elastic(index).sentiment(Sentiment(scope, every)), 2_000),
        (elastic(index).market(MarketFigures(replace(scope, quotes=("USD",)), every, ())), 2_000),
    ):
        index.asked.clear()
        list(rows)
        parts = YEARS.parts(steps * MINUTE)
        assert index.asked == [each for each in parts if each.touches(FIRST) or each.touches(LAST)]
    index.asked.clear()
    list(elastic(index).volatility(Volatility(scope, every), None))
    assert len(index.asked) == 2
    index.asked.clear()
    list(elastic(index).steps(Steps("trades", scope, every, TICKER, ())))
    assert len(index.asked) == 2
