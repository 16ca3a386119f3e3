"""What a source's line of statistics says."""

from __future__ import annotations

import logging

import pytest

from cryptoproxy.producer.statistics import Quota, Statistics, Timings
from tests.unit.producer import fakes
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import kept_entry


def test_a_line_is_due_each_so_many_polls() -> None:
    statistics = Statistics("coingecko", every=3)
    assert [statistics.polled(50, 1000, 0.1, {}) for _ in range(6)] == [False, False, True, False, False, True]


def test_the_line_says_all_that_people_ask_for(caplog: pytest.LogCaptureFixture) -> None:
    statistics = Statistics("coingecko", every=2)
    statistics.polled(50, 700_000, 0.2, {"no_price": 2})
    statistics.polled(48, 800_000, 0.4, {"no_price": 1, "bad_row": 1})
    statistics.published(0.010)
    statistics.published(0.030)
    statistics.missed += 7
    with caplog.at_level(logging.INFO):
        statistics.report(calls=5, quotas={"minute": Quota(5, 25), "month": Quota(1_200, 8_800)})
    assert caplog.messages == [
        "coingecko so far: 2 polls, 98 records, 7 slots missed, rows rejected: 1 bad_row, 3 no_price, "
        "1.5 MB received, 5 calls, budget: 5 used and 25 left per minute, 1200 used and 8800 left per month, "
        "fetch mean 0.300 s p99 0.400 s, publish mean 0.020 s p99 0.030 s"
    ]


def test_before_the_first_poll_there_is_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Statistics("binance", every=2).report(calls=0, quotas={})
    assert "0 polls" in caplog.text
    assert "budget: no limit, fetch -, publish -" in caplog.text


def test_the_p99_is_that_of_the_slowest_hundredth() -> None:
    statistics = Statistics("coingecko", every=1_000_000)
    for milliseconds in range(1, 201):
        statistics.published(milliseconds / 1000)
    assert statistics._publish[-1] == 0.2
    from cryptoproxy.producer.statistics import _spread

    assert _spread(statistics._publish) == "mean 0.101 s p99 0.199 s"


def test_only_a_limited_number_of_durations_is_remembered() -> None:
    statistics = Statistics("coingecko", every=1_000_000)
    for _ in range(20_000):
        statistics.published(0.1)
    assert len(statistics._publish) == 10_000


def test_the_time_of_a_poll_runs_from_the_arrival_of_its_answer_to_the_last_acknowledgement() -> None:
    clock, metrics = HandClock(), fakes.Metrics()
    statistics = {"coingecko": Statistics("coingecko", every=10)}
    timings = Timings(statistics, metrics, clock.monotonic)
    entry, stranger = kept_entry(1), kept_entry(2)
    arrived = clock.monotonic()
    clock.turn(0.25)
    timings.arrived(entry, arrived)
    clock.turn(0.5)
    timings.published(entry)
    timings.published(stranger)  # of an earlier run: nobody knows when it arrived
    assert list(statistics["coingecko"]._publish) == [pytest.approx(0.75)]
    assert metrics.value("publish_seconds_count", source="coingecko") == 1


def test_polls_that_are_never_published_do_not_keep_the_others_from_being_timed() -> None:
    """Kafka's room in the outbox was full for long: those polls are S3's alone."""
    clock, metrics = HandClock(), fakes.Metrics()
    statistics = {"coingecko": Statistics("coingecko", every=10)}
    timings = Timings(statistics, metrics, clock.monotonic)
    for number in range(20_000):
        timings.arrived(kept_entry(number), clock.monotonic())
    timings.published(kept_entry(19_999))
    assert metrics.value("publish_seconds_count", source="coingecko") == 1
    assert len(timings._arrived) < 20_000
