"""Medians, percentiles, targets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Figure, Report, at_least, at_most, median, percentile

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_the_median_of_an_even_count_lies_between_the_two_in_the_middle() -> None:
    assert median([4, 1, 3, 2]) == 2.5
    assert median([9, 1, 5]) == 5


def test_a_percentile_lies_between_the_nearest_ranks() -> None:
    assert percentile(range(101), 99) == 99
    assert percentile([0, 10], 25) == 2.5


@given(numbers, st.floats(0, 100))
def test_a_percentile_is_within_its_values(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values)


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_a_bound_is_reached_at_the_bound_and_on_its_side() -> None:
    assert at_least(1.05).reached(1.05)
    assert not at_least(1.05).reached(1.04)
    assert at_most(14, aim=11).reached(12)
    assert not at_most(14, aim=11).reached(14.1)


def test_a_figure_without_a_target_neither_reaches_nor_misses() -> None:
    assert Figure("rate", 1.0).reached is None


def test_a_report_takes_the_median_and_keeps_the_rounds() -> None:
    report = Report("indexing")
    report.add("own CPU", [13.0, 10.0, 12.0], "µs/record", at_most(12))
    (figure,) = report.figures
    assert (figure.value, figure.rounds, figure.reached) == (12.0, (13.0, 10.0, 12.0), True)
