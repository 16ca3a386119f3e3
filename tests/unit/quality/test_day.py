"""What is missing of a day, from its records alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.lake.form import Stored
from cryptoproxy.quality.day import Day, Quality, quality

BEGIN = 1_795_000_000_000 // DAY_MS * DAY_MS
WHOLE = Span(BEGIN, BEGIN + DAY_MS)


def stored(dataset: Dataset[Any], at_ms: int, **fields: Any) -> Stored:
    if dataset is CANDLE:
        fields |= {"fetched_at": iso(at_ms + 40 * DAY_MS)}
    record = msgspec.structs.replace(dataset.example, timestamp=iso(at_ms), **fields)
    return Stored(dataset.id_of(record), at_ms, record.fetched_at, dataset.codec.encode(record), "object", 1)


def of(day: Day) -> Quality:
    day.end()
    return quality(day, feed="feed", source="source", duplicates=0, unreadable=0, violations={})


def polled(*minutes: int, span: Span = WHOLE, before: bool = True, **fields: Any) -> Quality:
    """Two assets, at these minutes of the day."""
    day = Day(TICKER, "", span)
    if before:
        day.before(stored(TICKER, BEGIN - MINUTE_MS))
    for minute in minutes:
        for asset in ("bitcoin", "ethereum"):
            day.see(stored(TICKER, BEGIN + minute * MINUTE_MS, asset_id=asset, **fields))
    return of(day)


def test_a_whole_day_lacks_nothing() -> None:
    found = polled(*range(1440))
    assert (found.records, found.assets, found.expected, found.missing, found.gaps) == (2880, 2, 1440, 0, 0)
    assert (found.newest_ms, found.age_ms) == (WHOLE.end_ms - MINUTE_MS, MINUTE_MS)
    assert found.missing_share == 0


def test_holes_at_begin_middle_and_end_are_three_gaps() -> None:
    found = polled(*range(10, 600), *range(605, 1400))
    assert (found.missing, found.expected, found.gaps) == (10 + 5 + 40, 1440, 3)
    assert found.longest_gap_ms == 40 * MINUTE_MS


def test_a_source_that_was_there_before_and_is_silent_all_day_lacks_all_of_it() -> None:
    found = polled()
    assert (found.records, found.missing, found.expected, found.gaps) == (0, 1440, 1440, 1)
    assert found.newest_ms is None


def test_a_new_source_is_expected_from_its_first_record_on() -> None:
    found = polled(*range(720, 1440), before=False)
    assert (found.missing, found.expected) == (0, 720)


def test_of_a_day_that_is_not_over_what_may_be_on_its_way_is_not_missing() -> None:
    span = Span(BEGIN, BEGIN + 100 * MINUTE_MS + 30_000)
    assert polled(*range(100), span=span).missing == 0  # 100 is due, but not a minute late yet
    assert polled(*range(99), span=span).missing == 1
    assert polled(*range(100), span=span).age_ms == MINUTE_MS + 30_000


def test_after_a_change_of_the_interval_each_part_is_held_against_its_own() -> None:
    day = Day(TICKER, "", WHOLE)
    for minute in range(720):
        day.see(stored(TICKER, BEGIN + minute * MINUTE_MS))
    for minute in range(720, 1440, 5):
        day.see(stored(TICKER, BEGIN + minute * MINUTE_MS, interval_ms=5 * MINUTE_MS))
    found = of(day)
    assert (found.missing, found.expected) == (0, 720 + 144)


def test_nothing_is_expected_of_records_that_tell_no_interval() -> None:
    found = polled(1, 7, before=False, interval_ms=None)
    assert (found.records, found.expected, found.missing, found.missing_share) == (4, None, None, None)
    day = Day(MARKET, "", WHOLE)
    day.see(stored(MARKET, BEGIN))
    assert of(day).expected is None


def bars(part: str, step_ms: int, **there: list[int]) -> Quality:
    day = Day(CANDLE, part, WHOLE)
    day.before(stored(CANDLE, BEGIN - step_ms, interval=part, asset_id="OLD"))
    at = sorted((number, asset) for asset, numbers in there.items() for number in numbers)
    for number, asset in at:
        day.see(stored(CANDLE, BEGIN + number * step_ms, interval=part, asset_id=asset))
    return of(day)


def test_each_asset_of_bars_is_held_against_its_own() -> None:
    found = bars("1h", HOUR_MS, OLD=[0, 1, 4, *range(6, 24)], NEW=[*range(12, 24)])
    assert (found.records, found.assets) == (33, 2)
    assert (found.missing, found.expected, found.gaps) == (3, 24 + 12, 2)
    assert found.longest_gap_ms == 2 * HOUR_MS


def test_an_asset_that_ends_lacks_the_rest_of_that_day() -> None:
    assert bars("1h", HOUR_MS, OLD=[*range(6)]).missing == 18


@pytest.mark.parametrize("part", ["1w", "1mo", "3d"])
def test_of_bars_longer_than_a_day_nothing_is_expected(part: str) -> None:
    assert bars(part, DAY_MS, OLD=[0]).expected is None
