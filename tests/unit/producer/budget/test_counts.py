"""All counts and the ban as one value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.producer.budget import counts as of_counts
from cryptoproxy.producer.budget.counts import (
    KEPT_MONTHS,
    LONGEST_BAN_SECONDS,
    Ban,
    BudgetState,
    Counts,
    decode,
    encode,
)
from cryptoproxy.producer.budget.windows import MINUTE
from cryptoproxy.upstreams.base import Limit, Limits

NOW_MS = 1_795_262_400_000
LIMITS = Limits(
    upstream="upstream",
    unit="calls",
    interval_setting="INTERVAL",
    limits=(
        Limit(window="minute", amount=5, setting="PER_MINUTE"),
        Limit(window="5s", amount=3, setting="PER_5S"),
        Limit(window="month", amount=1000, setting="PER_MONTH"),
    ),
)


def a_window(bucket_ms: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    near_now = st.integers(-80, 80).map(lambda number: NOW_MS + number * bucket_ms)
    return st.dictionaries(near_now, st.integers(0, 9), max_size=8).map(lambda costs: tuple(sorted(costs.items())))


ANY_WINDOWS = st.fixed_dictionaries({}, optional={"minute": a_window(1000), "5s": a_window(100)})
ANY_MONTHS = st.dictionaries(
    st.builds("{}-{:02d}".format, st.integers(2026, 2028), st.integers(1, 12)), st.integers(0, 99), max_size=9
)
ANY_BAN = st.builds(
    Ban,
    until_ms=st.integers(NOW_MS - 100_000, NOW_MS + 10_000_000),
    seconds=st.integers(0, int(LONGEST_BAN_SECONDS)).map(float),
    why=st.sampled_from(["418", "403"]),
)
ANY_COUNTS = st.builds(Counts, windows=ANY_WINDOWS, months=ANY_MONTHS, ban=st.none() | ANY_BAN)


def same(one: Counts, other: Counts) -> bool:
    return encode(BudgetState(upstream="u", counts=one)) == encode(BudgetState(upstream="u", counts=other))


@given(ANY_COUNTS, ANY_COUNTS)
def test_merging_is_commutative(one: Counts, other: Counts) -> None:
    assert same(of_counts.merged(one, other), of_counts.merged(other, one))


@given(ANY_COUNTS, ANY_COUNTS, ANY_COUNTS)
def test_merging_is_associative(one: Counts, two: Counts, three: Counts) -> None:
    left = of_counts.merged(of_counts.merged(one, two), three)
    assert same(left, of_counts.merged(one, of_counts.merged(two, three)))


@given(ANY_COUNTS, ANY_COUNTS)
def test_merging_again_changes_nothing(one: Counts, other: Counts) -> None:
    once = of_counts.merged(one, other)
    assert same(of_counts.merged(once, other), once)
    assert same(of_counts.merged(once, one), once)


@given(ANY_COUNTS, ANY_COUNTS)
def test_merging_never_knows_less_than_either(one: Counts, other: Counts) -> None:
    both = of_counts.merged(one, other)
    for each in (one, other):
        assert both.used(MINUTE, NOW_MS) >= each.used(MINUTE, NOW_MS)
        assert all(both.months[label] >= count for label, count in each.months.items() if label in both.months)
        assert both.ban_ms(NOW_MS) >= each.ban_ms(NOW_MS)


@given(ANY_COUNTS)
def test_bytes_and_back(counts: Counts) -> None:
    state = BudgetState(upstream="u", counts=counts, boot="b", zero_ms=7)
    assert decode(encode(state), upstream="u") == state


@given(ANY_COUNTS)
def test_what_is_made_fit_for_now_is_fit_already_the_second_time(counts: Counts) -> None:
    once = of_counts.clipped(counts, NOW_MS)
    assert same(of_counts.clipped(once, NOW_MS), once)
    assert once.ban is None or NOW_MS < once.ban.until_ms <= NOW_MS + once.ban.seconds * 1000


@given(ANY_COUNTS, st.integers(-10_000, 10_000))
def test_a_step_of_the_clock_makes_nothing_older_or_younger(counts: Counts, seconds: int) -> None:
    moved = of_counts.shifted(counts, seconds * 1000)
    assert moved.used(MINUTE, NOW_MS + seconds * 1000) == counts.used(MINUTE, NOW_MS)
    assert moved.ban_ms(NOW_MS + seconds * 1000) == counts.ban_ms(NOW_MS)
    assert moved.months == counts.months


def test_an_attempt_counts_in_every_window() -> None:
    counts = of_counts.counted(Counts(), LIMITS, cost=2, now_ms=NOW_MS, labels=("2026-11",))
    assert counts.windows == {"minute": ((NOW_MS, 2),), "5s": ((NOW_MS, 2),)}
    assert counts.months == {"2026-11": 2}


def test_the_newest_months_are_kept() -> None:
    counts = Counts()
    for month in range(1, 13):
        counts = of_counts.counted(counts, LIMITS, cost=1, now_ms=NOW_MS, labels=(f"2026-{month:02d}",))
    assert len(counts.months) == KEPT_MONTHS
    assert "2026-12" in counts.months


def test_the_upstreams_own_count_corrects_upwards_only() -> None:
    counts = of_counts.counted(Counts(), LIMITS, cost=2, now_ms=NOW_MS, labels=())
    assert of_counts.corrected(counts, MINUTE, used=5, now_ms=NOW_MS).used(MINUTE, NOW_MS) == 5
    assert of_counts.corrected(counts, MINUTE, used=1, now_ms=NOW_MS) == counts


def test_a_ban_that_ends_later_stays() -> None:
    long = of_counts.banned(Counts(), seconds=600, why="long", now_ms=NOW_MS)
    both = of_counts.banned(long, seconds=10, why="short", now_ms=NOW_MS)
    assert both.ban_ms(NOW_MS) == 600_000
    assert both.ban is not None
    assert both.ban.why == "long"


def test_no_ban_is_longer_than_the_longest() -> None:
    counts = of_counts.banned(Counts(), seconds=float("inf"), why="?", now_ms=NOW_MS)
    assert counts.ban_ms(NOW_MS) == LONGEST_BAN_SECONDS * 1000


def test_when_all_is_lost_the_windows_are_full_and_the_month_is_spent_evenly() -> None:
    counts = of_counts.assumed(LIMITS, NOW_MS)
    assert counts.used(MINUTE, NOW_MS) == 5
    assert counts.months == {"2026-11": 684}  # 20.5 days of 30
