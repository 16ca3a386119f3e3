"""The slots of one source."""

from __future__ import annotations

from cryptoproxy.producer.feeds.slots import Due, PollGrid

S = 1_000
NOON = 1_795_262_400_000
HOUR = 3_600 * S


def test_slots_are_multiples_of_the_interval_in_utc() -> None:
    assert PollGrid(60 * S, None).due(NOON + 59_999) == Due(NOON, 0)
    assert PollGrid(60 * S, None).seconds_to_next(NOON + 59_750) == 0.25
    assert PollGrid(60 * S, None).seconds_to_next(NOON) == 60.0


def test_a_slot_is_due_once_whether_it_was_kept_or_given_up() -> None:
    grid = PollGrid(S, None)
    grid.kept(NOON)
    assert grid.due(NOON + 900) is None
    grid.given_up(NOON + S)
    assert grid.due(NOON + S + 900) is None


def test_slots_that_passed_are_counted_and_not_caught_up() -> None:
    grid = PollGrid(S, NOON)
    assert grid.due(NOON + 5 * S + 10) == Due(NOON + 5 * S, 4)
    grid.kept(NOON + 5 * S)
    assert grid.due(NOON + 6 * S) == Due(NOON + 6 * S, 0)


def test_slots_before_a_fresh_start_are_nobodys_miss() -> None:
    assert PollGrid(S, None).due(NOON) == Due(NOON, 0)


def test_a_clock_that_steps_back_makes_no_slot_due_twice_and_each_that_passes_meanwhile_counts_once() -> None:
    grid = PollGrid(S, NOON)
    for number in range(3):
        now = NOON - HOUR + number * S
        assert grid.due(now) == Due(now, 0, HOUR - number * S)
        grid.doubted(now)
        assert grid.due(now + 500) is None
    assert grid.due(NOON + 4 * S) == Due(NOON + 4 * S, 0), "three of the three that passed were counted before"
    assert PollGrid(S, NOON).due(NOON + 4 * S) == Due(NOON + 4 * S, 3)


def test_a_step_ahead_that_is_taken_back_costs_only_the_slots_that_were_lived() -> None:
    grid = PollGrid(S, NOON)
    for number in (1, 2):
        due = grid.due(NOON + HOUR + number * S)
        assert due is not None
        grid.doubted(due.slot_ms)
    assert grid.due(NOON + 3 * S) == Due(NOON + 3 * S, 0)
    grid.kept(NOON + 3 * S)
    assert grid.due(NOON + 4 * S) == Due(NOON + 4 * S, 0)


def test_a_slot_given_up_while_the_clock_was_ahead_is_polled_when_it_comes() -> None:
    grid = PollGrid(S, NOON)
    grid.given_up(NOON + HOUR)
    assert grid.due(NOON + S) == Due(NOON + S, 0)


def test_a_last_slot_of_another_interval_counts_whole_slots_only() -> None:
    grid = PollGrid(60 * S, NOON - 7 * S)  # every second until the restart
    assert grid.due(NOON) == Due(NOON, 0)
    assert grid.due(NOON + 120 * S) == Due(NOON + 120 * S, 2)


def test_who_takes_over_begins_after_the_last_slot_that_anybody_kept() -> None:
    grid = PollGrid(S, NOON)
    grid.begin_after(NOON + 10 * S)
    assert grid.due(NOON + 10 * S) is None
    assert grid.due(NOON + 12 * S) == Due(NOON + 12 * S, 1)


def test_slots_of_bars_begin_three_seconds_after_each_of_them_has_ended() -> None:
    grid = PollGrid(60_000, None, offset_ms=3_000)
    noon_ms = 1_795_262_400_000
    assert grid.slot_of(noon_ms + 2_999) == noon_ms - 57_000
    due = grid.due(noon_ms + 3_000)
    assert due is not None
    assert due.slot_ms == noon_ms + 3_000
    grid.kept(due.slot_ms)
    assert grid.due(noon_ms + 62_999) is None
    assert grid.seconds_to_next(noon_ms + 62_999) == 0.001
    assert grid.end_of(due.slot_ms) == noon_ms + 63_000
    later = grid.due(noon_ms + 183_000)
    assert later is not None
    assert (later.slot_ms, later.missed) == (noon_ms + 183_000, 2)


def test_a_turn_is_one_more_than_that_of_the_slot_before() -> None:
    grid = PollGrid(60_000, None, 3_000)
    first = grid.slot_of(1_795_168_800_000)
    assert [grid.turn_of(first + number * 60_000) - grid.turn_of(first) for number in range(5)] == [0, 1, 2, 3, 4]
