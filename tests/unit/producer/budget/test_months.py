"""The calendar month in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cryptoproxy.producer.budget import months


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
    assert months.label(ms(now)) == label
    assert months.begin_ms(ms(now)) == ms(begin)
    assert months.end_ms(ms(now)) == ms(end)


def test_what_is_used_of_a_lost_count_is_taken_to_be_spent_evenly() -> None:
    assert months.even_share(10_000, ms("2026-11-01")) == 0
    assert months.even_share(10_000, ms("2026-11-16")) == 5_000
    assert months.even_share(10_000, ms("2026-11-30T23:59:59.999")) == 10_000
