"""A rolling window as a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.producer.budget import window
from cryptoproxy.producer.budget.window import FIVE_SECONDS, MINUTE, Buckets, Window

WINDOWS = (MINUTE, FIVE_SECONDS)


def buckets_of(of: Window) -> st.SearchStrategy[Buckets]:
    starts = st.integers(0, 200).map(lambda number: number * of.bucket_ms)
    return st.dictionaries(starts, st.integers(0, 9)).map(lambda costs: tuple(sorted(costs.items())))


@pytest.mark.parametrize("of", WINDOWS)
def test_a_cost_is_held_longer_than_the_window_by_the_travel_time_and_not_by_much_more(of: Window) -> None:
    at = 1_000_050
    buckets = window.added(of, (), at, 3)
    assert window.used(of, buckets, at + of.length_ms + window.TRAVEL_MS) == 3
    assert window.used(of, buckets, at + of.length_ms + window.TRAVEL_MS + of.bucket_ms) == 0


@pytest.mark.parametrize("of", WINDOWS)
def test_a_step_of_the_clock_moves_buckets_to_buckets(of: Window) -> None:
    assert 1000 % of.bucket_ms == 0


@given(st.data(), st.sampled_from(WINDOWS), st.integers(0, 30), st.integers(0, 200_000))
def test_it_falls_to_a_level_at_the_millisecond_that_is_said(
    data: st.DataObject, of: Window, level: int, now_ms: int
) -> None:
    buckets = window.clipped(of, data.draw(buckets_of(of)), now_ms)
    wait_ms = window.falls_to(of, buckets, now_ms, level)
    assert window.used(of, buckets, now_ms + wait_ms) <= level
    if wait_ms:
        assert window.used(of, buckets, now_ms + wait_ms - 1) > level


def test_below_nothing_it_never_falls() -> None:
    assert window.falls_to(MINUTE, (), 0, -1) == MINUTE.longest_hold_ms


@given(st.data(), st.sampled_from(WINDOWS), st.integers(-50_000, 200_000))
def test_what_comes_from_elsewhere_is_over_after_one_window_whatever_its_stamps(
    data: st.DataObject, of: Window, now_ms: int
) -> None:
    buckets = window.clipped(of, data.draw(buckets_of(of)), now_ms)
    assert all(start <= now_ms for start, _ in buckets)
    assert list(buckets) == sorted(buckets)
    assert window.used(of, buckets, now_ms + of.longest_hold_ms) == 0


def test_its_value_stays_small_at_any_rate() -> None:
    buckets: Buckets = ()
    for now_ms in range(0, 300_000, 10):
        buckets = window.added(MINUTE, buckets, now_ms, 1)
    assert len(buckets) <= 62
