from __future__ import annotations

import pytest

from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.periods import Interval, age, ends, interval, period, words_of, written

NOW = from_iso("2026-03-31T10:00:00.000Z")


@pytest.mark.parametrize(
    ("since", "begin"),
    [
        ("90s", "2026-03-31T09:58:30.000Z"),
        ("7d", "2026-03-24T10:00:00.000Z"),
        ("2w", "2026-03-17T10:00:00.000Z"),
        ("1mo", "2026-02-28T10:00:00.000Z"),  # February has no 31st
        ("13mo", "2025-02-28T10:00:00.000Z"),
        ("2y", "2024-03-31T10:00:00.000Z"),
        ("2026-03-01", "2026-03-01T00:00:00.000Z"),
        ("2026-03-01T12:30:00Z", "2026-03-01T12:30:00.000Z"),
        ("2026-03-01T12:30:00+02:00", "2026-03-01T10:30:00.000Z"),
    ],
)
def test_a_period_begins_where_it_is_said_to(since: str, begin: str) -> None:
    assert period(since, now_ms=NOW) == Span(from_iso(begin), NOW)


def test_a_span_counts_back_from_the_end_that_is_named() -> None:
    assert words_of(period("1d", "2026-01-02", now_ms=NOW)) == "2026-01-01 to 2026-01-02 UTC"


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("7", None, "neither a span like"),
        ("last week", None, "neither a span like"),
        ("0d", None, "before it begins"),
        ("2027-01-01", None, "before it begins"),
        ("2026-02-01", "2026-01-01", "before it begins"),
        ("90y", None, "before 1970"),
        ("999999w", None, "before 1970"),
    ],
)
def test_what_is_no_period_is_refused(since: str, until: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        period(since, until, now_ms=NOW)


@pytest.mark.parametrize(
    ("text", "histogram"),
    [
        ("15m", {"fixed_interval": "900s"}),
        ("1h", {"fixed_interval": "3600s"}),
        ("1d", {"fixed_interval": "86400s"}),
        ("1w", {"calendar_interval": "week"}),
        ("1mo", {"calendar_interval": "month"}),
        ("1y", {"calendar_interval": "year"}),
    ],
)
def test_an_interval_as_elasticsearch_takes_it(text: str, histogram: dict[str, str]) -> None:
    assert interval(text).histogram() == {"field": "timestamp", **histogram}


@pytest.mark.parametrize("text", ["2mo", "2w", "0h", "1", "h", "", "1.5h"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no interval"):
        interval(text)


def test_an_interval_is_named_in_the_largest_unit_that_fits() -> None:
    assert [Interval.of_ms(ms).text for ms in (500, 90_000, 60_000, 7_200_000, 86_400_000)] == [
        "500ms",
        "90s",
        "1m",
        "2h",
        "1d",
    ]
    assert [interval(text).words for text in ("1d", "15m", "1mo")] == ["day", "15 minutes", "month"]
    assert [interval(text).step for text in ("1h", "15m")] == ["hour", "window of 15 minutes"]


def test_a_period_is_said_in_whole_minutes_if_it_is_not_short() -> None:
    assert ends(Span(90_000, 7_250_000)) == ("1970-01-01 00:01", "1970-01-01 02:00")
    assert ends(Span(90_000, 95_500)) == ("1970-01-01 00:01:30", "1970-01-01 00:01:35")


def test_parts_of_a_period_are_cut_at_multiples_and_make_the_whole() -> None:
    parts = list(Span(130, 400).parts(100))
    assert parts == [Span(130, 200), Span(200, 300), Span(300, 400)]


def test_times_and_ages_are_written_short() -> None:
    assert written(NOW) == "2026-03-31 10:00"
    assert [age(ms) for ms in (5_000, 119_000, 120_000, 7_200_000, 200_000_000)] == [
        "5 s",
        "119 s",
        "2 min",
        "2 h",
        "2 d",
    ]
