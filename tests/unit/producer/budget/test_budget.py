"""What the sources get from a budget."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.budget.windows import even_share
from cryptoproxy.upstreams.base import Priority
from tests.unit.producer.budget.hand_clock import HandClock

Make = Callable[..., Budget]
HOLD = 62.0
"""Seconds after which a call has left the minute's window for sure."""


def test_what_is_granted_is_counted_also_if_the_request_fails(make: Make) -> None:
    budget = make(minute=5, five_seconds=10, month=100)
    assert budget.take(3) == 0.0
    assert budget.left() == {"minute": 2, "5s": 7, "month": 97}


def test_at_the_limit_it_says_how_long_to_wait_and_counts_nothing(make: Make, clock: HandClock) -> None:
    budget = make(minute=5)
    assert budget.take(5) == 0.0
    clock.turn(20)
    wait = budget.take(1)
    assert 40 <= wait <= HOLD - 20
    assert budget.left() == {"minute": 0}
    clock.turn(wait)
    assert budget.take(1) == 0.0


def test_without_limits_everything_is_granted_and_the_month_is_counted(make: Make) -> None:
    budget = make()
    assert [budget.take(1000) for _ in range(3)] == [0.0] * 3
    assert budget.left() == {}
    assert make(month=4000).left() == {"month": 1000}, "a limit that is set later finds the count"


def test_a_request_larger_than_any_window_is_a_persons_to_mend(make: Make) -> None:
    with pytest.raises(OperatorError, match="MINUTE allows 5"):
        make(minute=5).take(6)


def test_a_month_that_is_used_up_waits_for_the_next(make: Make, clock: HandClock) -> None:
    budget = make(month=2)
    budget.take(2)
    wait = budget.take(1)
    assert wait == pytest.approx(9.5 * 86_400, abs=1), "from noon of 21 November"
    clock.turn(wait)
    assert budget.take(1) == 0.0


# --- what the upstream reports


def test_what_others_behind_our_address_use_counts_at_once(make: Make, clock: HandClock) -> None:
    budget = make(minute=6000, slow_above=0.9)
    budget.take(80)
    budget.reported(5990)
    assert budget.left() == {"minute": 10}
    assert budget.take(80) > 0
    clock.turn(HOLD)
    assert budget.take(80) == 0.0


def test_a_lower_report_takes_nothing_back(make: Make) -> None:
    budget = make(minute=6000)
    budget.take(800)
    budget.reported(80)  # the exchange's minute has just begun
    assert budget.left() == {"minute": 5200}


def test_a_report_without_a_limit_is_ignored(make: Make) -> None:
    budget = make(five_seconds=10)
    budget.reported(10**9)
    assert budget.take(1) == 0.0


def test_above_90_percent_it_goes_on_more_slowly_instead_of_stopping(make: Make, clock: HandClock) -> None:
    budget = make(minute=6000, slow_above=0.9)
    budget.take(80)
    budget.reported(5400)
    waits = []
    for _ in range(4):
        wait = budget.take(80)
        assert 0 < wait < 60
        waits.append(wait)
        clock.turn(wait)
        assert budget.take(80) == 0.0
    assert waits == sorted(waits), "the less is left, the slower"
    assert budget.left()["minute"] > 0


# --- bans


def test_nothing_is_granted_before_a_ban_ends(make: Make, clock: HandClock) -> None:
    budget = make(minute=5)
    budget.ban(120, "418")
    assert budget.ban_ends_in() == 120
    assert budget.take(1) == 120
    clock.turn(119.9)
    assert budget.take(1) > 0
    clock.turn(0.2)
    assert budget.ban_ends_in() == 0
    assert budget.take(1) == 0.0


@pytest.mark.parametrize("step", [3600, -3600, 400 * 86_400, -400 * 86_400])
def test_a_clock_that_is_stepped_neither_shortens_nor_lengthens_a_ban(
    make: Make, clock: HandClock, step: float
) -> None:
    budget = make(minute=5)
    budget.ban(120, "418")
    clock.turn(60)
    clock.step(step)
    assert budget.take(1) == pytest.approx(60, abs=1)


def test_a_short_ban_does_not_end_a_long_one(make: Make) -> None:
    budget = make(minute=5)
    budget.ban(600, "403")
    budget.ban(10, "429")
    assert budget.ban_ends_in() == 600


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 10**12])
def test_a_ban_of_a_broken_length_is_the_longest_that_there_is(make: Make, seconds: float) -> None:
    budget = make(minute=5)
    budget.ban(seconds, "418")
    assert budget.ban_ends_in() == 3 * 86_400


def refused_for(budget: Budget, clock: HandClock, seconds: float, least: float = 60.0) -> float:
    """How long a refusal stops it, which is then over."""
    budget.ban(seconds, "429", least=least)
    lasts = budget.ban_ends_in()
    clock.turn(lasts + 1)
    return lasts


def test_each_refusal_in_a_row_lasts_longer_up_to_a_quarter_of_an_hour(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    assert [refused_for(budget, clock, 60) for _ in range(6)] == [60, 120, 240, 480, 900, 900]
    assert refused_for(budget, clock, 3600) == 3600, "more that was asked for is obeyed"


def test_a_short_time_that_is_told_again_and_again_is_believed_once(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    assert [refused_for(budget, clock, 1) for _ in range(3)] == [1, 120, 240]


def test_an_answer_ends_a_row_of_refusals_and_a_restart_does_not(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    assert refused_for(budget, clock, 60) == 60
    budget = make(minute=100)
    assert refused_for(budget, clock, 60) == 120
    budget.answered()
    assert refused_for(budget, clock, 60) == 60


def test_a_busy_servers_retry_after_is_no_refusal(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    assert [refused_for(budget, clock, 5, least=0.0) for _ in range(3)] == [5, 5, 5]


def test_a_ban_has_its_reason_until_it_is_over(make: Make, clock: HandClock) -> None:
    budget = make(minute=100)
    assert budget.ban_reason() == ""
    budget.ban(5, "teapot")
    assert budget.ban_reason() == "teapot"
    clock.turn(6)
    assert budget.ban_reason() == ""


def test_retries_have_what_the_plan_leaves(make: Make) -> None:
    budget = make(minute=5)
    assert budget.spare() == 5
    budget.reserve({Priority.TICKERS: {"minute": 2}})
    assert budget.spare() == 3
    budget.reserve({Priority.TICKERS: {"minute": 7}})
    assert budget.spare() == 0
    assert make().spare() > 1_000_000


def test_an_outage_does_not_cost_what_the_rest_of_the_month_needs(make: Make, clock: HandClock) -> None:
    budget = make(month=10_000)
    budget.reserve({Priority.TICKERS: {"month": 9_500}})
    spent = 0
    for _ in range(1_000):
        for _ in range(budget.spare()):
            budget.take(1)
            spent += 1
    assert 100 < spent <= 10_000 - 9_500 + even_share(9_500, clock.now_ms())
    assert budget.spare() == 0


def test_a_ban_is_urgent(make: Make) -> None:
    urgent = threading.Event()
    make(minute=5, urgent=urgent).ban(120, "418")
    assert urgent.is_set()


def test_a_ban_that_cannot_be_written_holds_and_is_written_when_it_can_be(
    make: Make, clock: HandClock, tmp_path: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    budget = make(minute=5)
    with monkeypatch.context() as broken:
        broken.setattr("cryptoproxy.common.files.replace", _no_space)
        budget.ban(120, "418")
        assert budget.take(1) == 120
        with pytest.raises(OperatorError, match="nothing is sent that is not counted"):
            make(minute=5).take(1)
    assert "cannot be written" in caplog.text
    budget.take(1)
    assert make(minute=5).ban_ends_in() == 120


def _no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


# --- sources that share


def test_a_dear_call_is_not_starved_by_cheap_ones(make: Make, clock: HandClock) -> None:
    """The cheap one asks first whenever there is room, ten times a second."""
    budget = make(minute=100)
    while budget.take(4, who="cheap") == 0.0:
        clock.turn(0.6)
    deadline = clock.monotonic() + 2 * HOLD
    due = 0.0
    while clock.monotonic() < deadline:
        budget.take(4, who="cheap")
        if clock.monotonic() >= due:
            wait = budget.take(80, who="dear")
            if wait == 0.0:
                break
            due = clock.monotonic() + wait
        clock.turn(0.1)
    else:
        pytest.fail("the dear call never got through")


def test_many_that_wait_come_through_in_their_order(make: Make, clock: HandClock) -> None:
    budget = make(five_seconds=3)
    budget.take(3, who="before")
    due = {f"source-{number}": clock.monotonic() for number in range(7)}
    came = []
    for _ in range(100_000):
        for who in [who for who, when in due.items() if when <= clock.monotonic()]:
            wait = budget.take(1, who=who)
            if wait == 0.0:
                came.append(who)
                del due[who]
            else:
                due[who] = clock.monotonic() + wait
        if not due:
            break
        clock.turn(0.05)
    assert came == [f"source-{number}" for number in range(7)]


def test_who_gives_up_does_not_hold_others_up(make: Make, clock: HandClock) -> None:
    budget = make(minute=5)
    budget.take(4, who="a")
    assert budget.take(5, who="gives up") > 0
    assert budget.take(1, who="b") > 0
    clock.turn(HOLD + 3)
    assert budget.take(5, who="b") == 0.0


def test_threads_never_get_more_than_the_limit(make: Make) -> None:
    budget = make(minute=50)
    granted = []

    def run() -> None:
        granted.extend(wait for _ in range(20) if (wait := budget.take(1)) == 0.0)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 50


# --- to another machine


def test_a_successor_on_another_machine_goes_on_with_count_and_ban(make: Make, tmp_path: object) -> None:
    first = make(minute=5, month=100)
    first.take(3)
    first.ban(600, "403")
    second = make(minute=5, month=100, folder=tmp_path / "elsewhere", boot="boot-2")  # type: ignore[operator]
    second.merge(first.state())
    assert second.left() == {"minute": 2, "month": 97}
    assert second.ban_ends_in() == 600


def test_merging_twice_or_its_own_counts_nothing_twice(make: Make, tmp_path: object) -> None:
    first = make(minute=5, month=100)
    first.take(3)
    for _ in range(2):
        first.merge(first.state())
    assert first.left() == {"minute": 2, "month": 97}


def test_what_was_merged_survives_a_restart(make: Make, tmp_path: object) -> None:
    first = make(minute=5, month=100)
    first.take(3)
    elsewhere = tmp_path / "elsewhere"  # type: ignore[operator]
    make(minute=5, month=100, folder=elsewhere).merge(first.state())
    assert make(minute=5, month=100, folder=elsewhere).left() == {"minute": 2, "month": 97}


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff", b"[]", b'{"upstream":"binance","counts":{}}', b"[" * 10_000])
def test_what_is_no_state_changes_nothing_and_is_said(
    make: Make, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    budget = make(minute=5)
    budget.take(1)
    budget.merge(garbage)
    assert budget.left() == {"minute": 4}
    assert "ignored" in caplog.text


def test_a_field_of_a_newer_version_is_ignored(make: Make) -> None:
    budget = make(minute=5)
    budget.merge(b'{"upstream":"upstream","new":1,"counts":{"windows":{"hour":[[1,2]]},"months":{"2026-11":7}}}')
    assert budget.take(1) == 0.0


# --- words and numbers


def test_the_metrics_tell_cost_what_is_left_and_the_ban(make: Make) -> None:
    registry = CollectorRegistry()
    budget = make(minute=5, month=100, metrics=PollerMetrics(registry))
    budget.take(3)
    budget.ban(60, "418")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"cryptoproxy_upstream_{name}", {"upstream": "upstream", **labels})

    assert value("cost_total") == 3
    assert value("budget_left", window="minute") == 2
    assert value("budget_left", window="month") == 97
    assert value("ban_seconds") == 60


def test_a_wait_names_its_setting_and_is_not_said_again_and_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    budget = make(minute=1)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            budget.take(1)
    assert len(caplog.records) == 1
    assert "1 of 1 calls per minute are used (MINUTE)" in caplog.text


# --- what is read through


def test_what_is_read_through_has_a_share_of_what_the_plans_leave(make: Make, clock: HandClock) -> None:
    budget = make(minute=100, share=0.5)  # 90 may be planned
    budget.reserve({Priority.TICKERS: {"minute": 30}, Priority.LIVE: {"minute": 20}})
    assert budget.take(20, priority=Priority.READ_THROUGH) == 0.0
    wait = budget.take(1, priority=Priority.READ_THROUGH)
    assert 0 < wait <= HOLD
    assert budget.take(20, priority=Priority.HISTORY, who="history") == 0.0, "its own part is not shared"
    assert budget.take(50) == 0.0, "what is planned was kept free"
    clock.turn(HOLD)
    assert budget.take(20, priority=Priority.READ_THROUGH) == 0.0


def test_history_that_waits_comes_before_what_is_read_through(make: Make) -> None:
    budget = make(minute=10, share=1.0)
    assert budget.take(8, priority=Priority.HISTORY, who="history") == 0.0
    assert budget.take(2, priority=Priority.HISTORY, who="history") > 0
    assert budget.take(1, priority=Priority.READ_THROUGH, who="door") > 0


def test_of_a_month_what_is_read_through_comes_day_by_day(make: Make, clock: HandClock) -> None:
    budget = make(month=30_000, share=1.0)
    budget.take(even_share(20_000, clock.now_ms()))
    budget.reserve({Priority.TICKERS: {"month": 20_000}})
    granted = 0
    while budget.take(100, priority=Priority.READ_THROUGH) == 0.0:
        granted += 100
    rest = 28_500 - 20_000
    assert 0 <= even_share(rest, clock.now_ms() + 86_400_000) - granted < 100
    clock.turn(86_400)
    assert budget.take(100, priority=Priority.READ_THROUGH) == 0.0


def test_without_a_share_nothing_is_read_through(make: Make) -> None:
    assert make(minute=100, share=0.0).take(1, priority=Priority.READ_THROUGH) > 0
