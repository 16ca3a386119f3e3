"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cryptoproxy.page import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (74512.05349, "74,512.053"), (1.0, "1.00"), (0.1, "0.10"), (0.000012345678, "0.000012345678"), (0.0, "0.00"),
        (123456789.0, "123,456,789.00"), (5e-320, "0.00"), (None, words.NONE), (float("nan"), words.NONE),
    ],
)  # fmt: skip
def test_prices_have_eight_digits_and_no_zeros_at_the_end(value: float | None, said: str):
    assert words.price(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.49e12, "1.49 T"),
        (39.9e9, "39.9 B"),
        (641_300.0, "641.3 k"),
        (999.4, "999"),
        (2.0, "2.00"),
        (None, words.NONE),
    ],
)
def test_large_numbers_are_short(value: float | None, said: str):
    assert words.large(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(1.234, "+1.23 %"), (-8.0, "-8.00 %"), (-0.001, "0.00 %"), (0, "0.00 %"), (None, words.NONE)]
)
def test_changes_have_a_sign_where_there_is_one(value: float | None, said: str):
    assert words.percent(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8, "8 s"), (89, "89 s"), (180, "3 min"), (9000, "2.5 h"), (4 * 86_400, "4 d"), (None, words.NONE)],
)
def test_ages_are_in_the_unit_one_would_say(seconds: float | None, said: str):
    assert words.age(seconds) == said


def test_times_are_utc_and_say_so():
    assert words.clock(datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)) == "2026-11-20 10:00:00 UTC"
    assert words.clock(None) == words.NONE
