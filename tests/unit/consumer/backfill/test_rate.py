from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.consumer.backfill.replay import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_rate_nothing_waits() -> None:
    rate = Rate(None)
    assert rate.take(10**9) == 0
    assert rate.portion(1000) == 1000


def test_a_second_s_worth_goes_at_once_and_the_next_waits() -> None:
    clock = Clock()
    rate = Rate(100, monotonic=clock)
    assert rate.take(100) == 0
    assert rate.take(50) == 0.5
    clock.now += 0.5
    assert rate.take(10) == 0.1


def test_idle_time_is_saved_up_for_a_second_at_the_most() -> None:
    clock = Clock()
    rate = Rate(100, monotonic=clock)
    clock.now += 3600
    assert rate.take(100) == 0
    assert rate.take(100) == 1


def test_a_low_rate_makes_small_portions() -> None:
    assert Rate(10).portion(1000) == 10
    assert Rate(0.5).portion(1000) == 1


@given(st.floats(0.5, 10_000), st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 3)), max_size=40))
def test_never_more_than_the_rate_and_one_second_s_worth(per_second: float, steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    rate = Rate(per_second, monotonic=clock)
    gone = 0
    for count, pause in steps:
        portion = rate.portion(count)
        clock.now += pause + rate.take(portion)
        gone += portion
        allowed = per_second * (clock.now - 100.0) + max(1.0, per_second)
        assert gone <= allowed * (1 + 1e-9) + 1e-6
