from __future__ import annotations

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.indices import span_of
from cryptoproxy.datasets import CANDLE, TICKER, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span, from_person, written


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-01", "2026-11-01T00:00:00.000Z"),
        ("2026-11-01T10:30", "2026-11-01T10:30:00.000Z"),
        ("2026-11-01T10:30:00Z", "2026-11-01T10:30:00.000Z"),
        ("2026-11-01T10:30:00.250Z", "2026-11-01T10:30:00.250Z"),
        ("2026-11-01T10:30:00+01:00", "2026-11-01T09:30:00.000Z"),
    ],
)
def test_dates_and_times_are_utc_unless_they_say_otherwise(text: str, time: str) -> None:
    assert from_person(text) == from_iso(time)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "20:00", "2026-11-31"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2026-11-01T10:00:00Z"):
        from_person(text)


@pytest.mark.parametrize(
    "ms", [from_person("2026-11-01"), from_person("2026-11-01T10:00"), from_person("2026-11-01T10:00:01"), 1]
)
def test_what_is_written_is_read_back(ms: int) -> None:
    assert from_person(written(ms)) == ms


def test_a_span_is_cut_into_the_hours_that_it_touches() -> None:
    span = Span(from_person("2026-11-01T10:30"), from_person("2026-11-01T12:00"))
    assert [str(span.cut(hour)) for hour in span.hours()] == [
        "2026-11-01T10:30Z to 2026-11-01T11:00Z",
        "2026-11-01T11:00Z to 2026-11-01T12:00Z",
    ]
    assert from_person("2026-11-01T12:00") not in span
    assert span.cut(from_person("2026-11-01T12:00")).empty
    assert not Span(span.end_ms, span.end_ms + HOUR_MS).empty


def period_of(name: str, period: str = "month") -> Span | None:
    return span_of(
        name, Settings.from_texts({"ES_INDEX": "p", "ES_INDEX_PERIOD": period}).elasticsearch, TICKER, TICKER.parts[""]
    )


def test_an_index_holds_the_period_of_its_name() -> None:
    assert str(period_of("p-2026.11.01")) == "2026-11-01 to 2026-12-01"
    assert str(period_of("p-2026.12.01")) == "2026-12-01 to 2027-01-01"
    assert str(period_of("p-2024.02.01")) == "2024-02-01 to 2024-03-01"
    assert str(period_of("p-2026.12.31", "day")) == "2026-12-31 to 2027-01-01"


def test_an_index_of_a_shelf_is_of_its_parts_alone() -> None:
    elastic, name = Settings.from_texts({}).elasticsearch, "crypto-candles-hours-2026.01.01"
    assert str(span_of(name, elastic, CANDLE, CANDLE.parts["1d"])) == "2026-01-01 to 2027-01-01"
    assert span_of(name, elastic, CANDLE, CANDLE.parts["1m"]) is None


@pytest.mark.parametrize(
    "name", ["p-2026.11.02", "p-2026.13.01", "p-2026.11.01-old", "q-2026.11.01", "p-x-2026.11.01", "p", "p-2026.02.30"]
)
def test_other_names_are_no_period(name: str) -> None:
    assert period_of(name) is None
