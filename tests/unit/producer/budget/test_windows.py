"""A rolling window as a value, and the calendar month in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.producer.budget import windows as window
from cryptoproxy.producer.budget.windows import (
    FIVE_SECONDS,
    MINUTE,
    Buckets,
    RollingWindow,
    even_share,
    month_begin_ms,
    month_end_ms,
    month_of,
)

WINDOWS = (MINUTE, FIVE_SECONDS)


def buckets_of(of: RollingWindow) -> st.SearchStrategy[Buckets]:
    starts = st.integers(0, 200).map(lambda number: number * of.bucket_ms)
    return st.dictionaries(starts, st.integers(0, 9)).map(lambda costs: tuple(sorted(costs.items())))


@pytest.mark.parametrize("of", WINDOWS)
def test_a_cost_is_held_longer_than_the_window_by_the_travel_time_and_not_by_much_more(of: RollingWindow) -> None:
    at = 1_000_050
    buckets = window.added(of, (), at, 3)
    assert window.used(of, buckets, at + of.length_ms + window.TRAVEL_MS) == 3
    assert window.used(of, buckets, at + of.length_ms + window.TRAVEL_MS + of.bucket_ms) == 0


@pytest.mark.parametrize("of", WINDOWS)
def test_a_step_of_the_clock_moves_buckets_to_buckets(of: RollingWindow) -> None:
    assert 1000 % of.bucket_ms == 0


@given(st.data(), st.sampled_from(WINDOWS), st.integers(0, 30), st.integers(0, 200_000))
def test_it_falls_to_a_level_at_the_millisecond_that_is_said(
    data: st.DataObject, of: RollingWindow, level: int, now_ms: int
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
    data: st.DataObject, of: RollingWindow, now_ms: int
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


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "label", "begin", "end"),
    [
        ("2026-11-21T12:00:00", "2026-11", "2026-11-01", "2026-12-01"),
        ("2026-12-31T23:59:59.999", "2026-12", "2026-12-01", "2027-01-01"),
        ("2027-01-01", "2027-01", "2027-01-01", "2027-02-01"),
        ("2028-02-29T10:00:00", "2028-02", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_month_begins_and_ends_at_midnight_utc(now: str, label: str, begin: str, end: str) -> None:
    assert month_of(ms(now)) == label
    assert month_begin_ms(ms(now)) == ms(begin)
    assert month_end_ms(ms(now)) == ms(end)


def test_what_is_used_of_a_lost_count_is_taken_to_be_spent_evenly() -> None:
    assert even_share(10_000, ms("2026-11-01")) == 0
    assert even_share(10_000, ms("2026-11-16")) == 5_000
    assert even_share(10_000, ms("2026-11-30T23:59:59.999")) == 10_000
