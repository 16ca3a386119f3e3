"""In any schedule, with clocks stepped and processes restarted, no window of real time grants more than its limit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoproxy.producer.budget import Budget
from cryptoproxy.upstreams.base import Limit, Limits
from tests.unit.producer.budget.hand_clock import NOON_MS, HandClock

PER_MINUTE, PER_5S, PER_MONTH = 8, 4, 10
LIMITS = Limits(
    upstream="upstream",
    unit="calls",
    interval_setting="INTERVAL",
    limits=(
        Limit(window="minute", amount=PER_MINUTE, setting="MINUTE", slow_above=0.9),
        Limit(window="5s", amount=PER_5S, setting="5S"),
    ),
)
WITH_MONTH = Limits(
    upstream="upstream",
    unit="calls",
    interval_setting="INTERVAL",
    limits=(Limit(window="month", amount=PER_MONTH, setting="MONTH"),),
)

TURNS = st.tuples(st.just("turn"), st.one_of(st.integers(0, 2_000), st.integers(0, 70_000)).map(lambda ms: ms / 1000))
TAKES = st.tuples(st.just("take"), st.integers(1, 4))
STEPS = st.tuples(
    st.just("step"), st.one_of(st.integers(-90, 90), st.integers(-90, 90).map(lambda days: days * 86_400))
)
RESTARTS = st.tuples(st.just("restart"), st.none())
BOOTS = st.tuples(st.just("boot"), st.integers(1, 120))
REPORTS = st.tuples(st.just("report"), st.integers(0, 10))
Event = tuple[str, Any]


def run(events: Iterable[Event], limits: Limits) -> tuple[list[tuple[int, int]], Budget, HandClock]:
    """(real ms, cost) of what was granted, and the end."""
    clock = HandClock()
    boots = 0
    since = 0  # real time that went by in earlier boots
    granted = []
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(limits, Path(folder), clock=clock, boot="boot-0")
        for what, value in events:
            if what == "turn":
                clock.turn(value)
            elif what == "step":
                clock.step(value)
            elif what == "report":
                budget.reported(value)
            elif what == "take":
                if budget.take(value, who=value) == 0.0:
                    granted.append((since + clock.real_ms, value))
            else:
                if what == "boot":
                    boots += 1
                    before = clock.real_ms
                    clock.boot(value)
                    since += before + value * 1000 - clock.real_ms
                budget = Budget(limits, Path(folder), clock=clock, boot=f"boot-{boots}")
        # Whatever happened: nobody is locked up for longer than a window and the places of those who gave up.
        clock.turn(62)
        clock.turn(62)
        assert limits is WITH_MONTH or budget.take(4, who="last") == 0.0
        assert limits is WITH_MONTH or budget.left()["minute"] <= PER_MINUTE - 4
    return granted, budget, clock


def require_within(granted: list[tuple[int, int]], length_ms: int, amount: int) -> None:
    for begin, _ in granted:
        costs = [cost for when, cost in granted if begin <= when <= begin + length_ms]
        assert sum(costs) <= amount, f"{sum(costs)} from {begin} on"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(TAKES, TAKES, TURNS, TURNS, STEPS, RESTARTS, REPORTS), max_size=60))
def test_steps_of_the_clock_and_restarts_grant_nothing_more_and_lock_nothing_up(events: list[Event]) -> None:
    granted, _, _ = run(events, LIMITS)
    require_within(granted, 60_000, PER_MINUTE)
    require_within(granted, 5_000, PER_5S)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(TAKES, TAKES, TURNS, TURNS, RESTARTS, BOOTS), max_size=60))
def test_a_boot_of_the_machine_grants_nothing_more(events: list[Event]) -> None:
    granted, _, _ = run(events, LIMITS)
    require_within(granted, 60_000, PER_MINUTE)
    require_within(granted, 5_000, PER_5S)


SHORT_TURNS = st.tuples(st.just("turn"), st.integers(0, 60))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(TAKES, TAKES, SHORT_TURNS, STEPS), max_size=59))
def test_a_clock_stepped_into_other_months_and_back_gives_no_second_quota(events: list[Event]) -> None:
    """Less than an hour in all, in the middle of November whatever the clock says."""
    granted, _, _ = run(events, WITH_MONTH)
    assert sum(cost for _, cost in granted) <= PER_MONTH


def test_every_minute_of_any_clock_is_within_the_limit() -> None:
    """As Binance counts: by the minute of its clock, which is not ours."""
    greedy = [event for _ in range(3000) for event in (("take", 1), ("turn", 0.1))]
    granted, _, _ = run(greedy, LIMITS)
    for offset_ms in range(0, 60_000, 500):
        by_minute: dict[int, int] = {}
        for when, cost in granted:
            by_minute[(when + offset_ms) // 60_000] = by_minute.get((when + offset_ms) // 60_000, 0) + cost
        assert max(by_minute.values()) <= PER_MINUTE


def test_what_is_allowed_is_nearly_all_granted() -> None:
    greedy = [event for _ in range(6000) for event in (("take", 1), ("turn", 0.1))]
    granted, _, _ = run(greedy, LIMITS)
    assert len(granted) >= 0.85 * PER_MINUTE * 10


def test_the_clock_of_the_schedules_begins_in_the_middle_of_a_month() -> None:
    assert NOON_MS % 86_400_000 == 43_200_000
