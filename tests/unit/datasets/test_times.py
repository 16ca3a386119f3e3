from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import from_iso, iso, slot_of
from cryptoproxy.datasets.times import from_person
from tests.unit.datasets.records import FIRST_MS, LAST_MS


@given(st.integers(FIRST_MS, LAST_MS))
def test_a_moment_comes_back_from_its_spelling(ms: int) -> None:
    text = iso(ms)
    assert len(text) == 24
    assert from_iso(text) == ms


@given(st.integers(FIRST_MS, LAST_MS), st.integers(FIRST_MS, LAST_MS))
def test_spellings_sort_as_moments_do(one: int, other: int) -> None:
    assert (iso(one) < iso(other)) == (one < other)


@given(st.integers(FIRST_MS, LAST_MS), st.integers(0, 23), st.characters())
def test_nothing_but_that_spelling_is_a_moment(ms: int, at: int, letter: str) -> None:
    text = iso(ms)
    changed = text[:at] + letter + text[at + 1 :]
    try:
        found = from_iso(changed)
    except ValueError:
        return
    assert iso(found) == changed


@given(st.text(alphabet="0123456789-:.,TWZ+ ", min_size=24, max_size=24))
def test_no_text_of_the_right_letters_slips_through(text: str) -> None:
    try:
        found = from_iso(text)
    except ValueError:
        return
    assert iso(found) == text


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2025-11-20T10:00:00.000Z", 1_763_632_800_000),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("0001-01-01T00:00:00.000Z", FIRST_MS),
    ],
)
def test_known_moments(text: str, ms: int) -> None:
    assert from_iso(text) == ms
    assert iso(ms) == text


@given(st.integers(0, LAST_MS), st.integers(1, 86_400_000))
def test_a_slot_is_the_last_multiple_of_the_interval(ms: int, interval_ms: int) -> None:
    slot = slot_of(ms, interval_ms)
    assert slot % interval_ms == 0
    assert slot <= ms < slot + interval_ms
    assert slot_of(slot, interval_ms) == slot


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", "2026-11-01T00:00:00.000Z"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00.000Z"),
        ("now", "2026-11-20T12:34:56.789Z"),
        ("today", "2026-11-20T00:00:00.000Z"),
        ("yesterday", "2026-11-19T00:00:00.000Z"),
        ("7d", "2026-11-13T00:00:00.000Z"),
        ("12h", "2026-11-20T00:00:00.000Z"),
        ("30m", "2026-11-20T12:04:00.000Z"),
    ],
)
def test_a_person_s_words_for_a_time(text: str, moment: str) -> None:
    assert from_person(text, now_ms=from_iso("2026-11-20T12:34:56.789Z")) == from_iso(moment)


@pytest.mark.parametrize("text", ["last week", "7 d", "7w", "-1d", "", "Today"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is neither a date like 2026-11-01 .* nor today, yesterday"):
        from_person(text, now_ms=0)


def test_without_a_clock_only_dates_and_times_are_read() -> None:
    with pytest.raises(ValueError, match=r"is neither a date like 2026-11-01 nor a time like 2026-11-01T10:00:00Z$"):
        from_person("yesterday")
