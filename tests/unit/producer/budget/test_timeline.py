"""Stamps that read like the wall clock and pass like the monotonic one."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptoproxy.producer.budget.ledger import DOUBT_SECONDS, Timeline, boot_id
from tests.unit.producer.budget.hand_clock import HandClock

BEFORE_DECEMBER_MS = int(datetime(2026, 11, 30, 23, 50, tzinfo=UTC).timestamp() * 1000)
TEN_DAYS = 10 * 86_400


def test_it_reads_like_the_wall_clock(clock: HandClock) -> None:
    timeline = Timeline(clock)
    clock.turn(12.345)
    assert abs(timeline.now_ms() - clock.now_ms()) <= 1
    assert timeline.follow() == 0


def test_it_follows_steps_by_whole_seconds_both_ways(clock: HandClock) -> None:
    timeline = Timeline(clock)
    clock.step(3600.7)
    assert timeline.follow() == 3_600_000
    clock.step(-7200)
    assert timeline.follow() == -7_199_000
    assert abs(timeline.now_ms() - clock.now_ms()) < 1000
    assert timeline.follow() == 0


def test_a_small_difference_is_no_step(clock: HandClock) -> None:
    timeline = Timeline(clock)
    clock.step(0.9)
    assert timeline.follow() == 0


def test_an_earlier_run_of_the_same_boot_goes_on(clock: HandClock) -> None:
    first = Timeline(clock)
    clock.turn(100)
    clock.step(3600)
    second = Timeline(clock, zero_ms=first.zero_ms)
    assert second.now_ms() == first.now_ms()
    assert second.follow() == 3_600_000


def test_the_month_is_the_wall_clocks() -> None:
    clock = HandClock(BEFORE_DECEMBER_MS)
    timeline = Timeline(clock)
    moment = timeline.moment()
    assert moment.months == ("2026-11",)
    assert moment.months_until_ms == BEFORE_DECEMBER_MS + 600_000
    clock.turn(600)
    assert timeline.moment().months == ("2026-12",)


def test_after_a_step_into_another_month_both_count_for_an_hour(clock: HandClock) -> None:
    timeline = Timeline(clock)
    clock.step(TEN_DAYS)
    timeline.follow()
    moment = timeline.moment()
    assert set(moment.months) == {"2026-11", "2026-12"}
    assert moment.months_until_ms - moment.now_ms <= DOUBT_SECONDS * 1000 + 1
    clock.turn(DOUBT_SECONDS)
    timeline.follow()
    assert timeline.moment().months == ("2026-12",)


def test_after_a_step_and_back_nothing_is_in_doubt(clock: HandClock) -> None:
    timeline = Timeline(clock)
    for step in (TEN_DAYS, -TEN_DAYS):
        clock.step(step)
        timeline.follow()
    assert timeline.moment().months == ("2026-11",)


def test_the_system_tells_its_boot_or_nothing() -> None:
    assert boot_id() == boot_id()
