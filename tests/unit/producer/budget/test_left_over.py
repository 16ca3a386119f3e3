"""What comes after the tickers takes what they leave over, and never makes one of their polls wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoproxy.producer.budget import Budget, Demand, fit
from cryptoproxy.producer.budget.windows import MINUTE
from cryptoproxy.upstreams.base import Limit, Limits, Priority
from tests.unit.producer.budget.hand_clock import HandClock

Make = Callable[..., Budget]
TICKERS, LIVE, HISTORY, _ = Priority
LIMIT = Limit(window="minute", amount=6000, setting="WEIGHT", slow_above=0.9)
LIMITS = Limits(upstream="binance", unit="weight", interval_setting="INTERVAL", limits=(LIMIT,))


def drain(budget: Budget, priority: Priority, cost: int = 1) -> int:
    """Takes all that it gets right now."""
    taken = 0
    while budget.take(cost, who=priority, priority=priority) == 0:
        taken += cost
    return taken


def test_without_tickers_all_that_may_be_planned_is_left_over(make: Make) -> None:
    budget = make(minute=100)
    assert budget.left(HISTORY) == {"minute": 90}
    assert drain(budget, HISTORY) == 90
    assert budget.left(HISTORY) == {"minute": 0}
    assert budget.take(1) == 0, "the rest is for retries of what goes first"


def test_what_the_tickers_have_planned_is_kept_free_until_they_have_used_it(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    budget.reserve({TICKERS: {"minute": 60}})
    assert drain(budget, LIVE) == 30
    for _ in range(60):
        assert budget.take(1) == 0
    assert drain(budget, LIVE) == 0, "what they use is not kept free once more, nor is it theirs twice"
    clock.turn(MINUTE.longest_hold_ms / 1000)
    assert drain(budget, LIVE) == 30


def test_history_leaves_room_for_both_before_it(make: Make) -> None:
    budget = make(minute=100)
    budget.reserve({TICKERS: {"minute": 40}, LIVE: {"minute": 30}})
    assert budget.left(LIVE) == {"minute": 50}
    assert budget.left(HISTORY) == {"minute": 20}
    assert drain(budget, HISTORY) == 20
    assert drain(budget, LIVE) == 30
    assert [budget.take(1) for _ in range(40)] == [0] * 40


def test_of_a_month_what_the_tickers_still_need_is_kept_free(make: Make) -> None:
    budget = make(month=10_000)
    budget.reserve({TICKERS: {"month": 9_000}})
    taken = drain(budget, HISTORY, cost=100)
    to_come = 9_000 * 9 // 30  # from the 21st at noon, and nothing of what is gone was used
    assert to_come <= 9_500 - taken <= to_come + 400


def test_who_comes_later_waits_behind_who_goes_first_whenever_they_asked(make: Make) -> None:
    budget = make(minute=100)
    budget.take(100)
    assert budget.take(50, who="history", priority=HISTORY) > 0
    assert budget.take(50, who="candles", priority=LIVE) > 0
    assert budget.take(50, who="tickers") > 0
    ahead = budget._turns.ahead_of
    now = budget._monotonic()
    assert [ahead(who, now, each) for who, each in (("tickers", TICKERS), ("candles", LIVE), ("history", HISTORY))] == [
        0,
        50,
        100,
    ]


def test_after_a_restart_the_tickers_have_their_room_all_the_same(make: Make) -> None:
    planned = {TICKERS: {"minute": 60}}
    before = make(minute=100)
    before.reserve(planned)
    drain(before, LIVE)
    again = make(minute=100)
    again.reserve(planned)
    assert drain(again, LIVE) == 0
    assert [again.take(1) for _ in range(60)] == [0] * 60


@pytest.mark.parametrize("restart_at", [None, 70])
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cost=st.sampled_from([40, 80]), interval=st.sampled_from([1, 2]))
def test_no_ticker_slot_waits_whatever_others_take(
    tmp_path_factory: pytest.TempPathFactory, restart_at: int | None, seed: int, cost: int, interval: int
) -> None:
    folder: Path = tmp_path_factory.mktemp("budget")
    clock, pick = HandClock(), random.Random(seed)
    plan = fit([Demand(source="binance", cost=cost, interval=interval, call_cost=cost)], LIMITS).use

    def made() -> Budget:
        budget = Budget(LIMITS, folder, clock=clock, boot="boot")
        budget.reserve({**plan, LIVE: {"minute": 200}})
        return budget

    budget, others = made(), 0
    for second in range(140):
        if second == restart_at:
            budget = made()
        if second % interval == 0:
            assert budget.take(cost, who="tickers") == 0, f"second {second}, seed {seed}"
        for priority in pick.choices((LIVE, HISTORY), k=2):
            for _ in range(pick.choice((0, 1, 10, 60))):
                others += budget.take(2, who=priority, priority=priority) == 0
        clock.turn(1)
    assert others > 100
