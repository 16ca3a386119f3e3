"""How long the outbox lasts, and the gauges that say so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cryptoproxy.common.service import Health
from cryptoproxy.producer.gauges import Capacity, Gauges
from cryptoproxy.producer.outbox import Outbox
from tests.unit.producer import fakes
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import keep_poll

MIB = 1024 * 1024


def test_the_hours_follow_from_the_plan_before_the_first_poll() -> None:
    # 50 records of 480 bytes are six blocks; 60 polls an hour.
    assert Capacity({"coingecko": 50}, {"coingecko": 60.0}, 60 * 6 * 4096).hours() == pytest.approx(1.0)


def test_a_whole_market_each_second_lasts_an_hour() -> None:
    capacity = Capacity({"binance": 2_500}, {"binance": 1.0}, 4 * 1024 * MIB)
    assert 0.9 < capacity.hours() < 1.1


def test_what_polls_really_weigh_replaces_the_estimate() -> None:
    capacity = Capacity({"coingecko": 50}, {"coingecko": 60.0}, 60 * 6 * 4096)
    capacity.measured("coingecko", 3 * 4096)
    assert capacity.hours() == pytest.approx(2.0)


def test_sources_share_the_room_and_what_is_used_is_gone() -> None:
    capacity = Capacity({"a": 1, "b": 1}, {"a": 1.0, "b": 1.0}, 2 * 3600 * 4096)
    assert capacity.hours() == pytest.approx(1.0)
    assert capacity.hours(used_bytes=3600 * 4096) == pytest.approx(0.5)
    assert capacity.hours(used_bytes=10**12) == 0


def test_without_any_source_it_lasts_for_ever() -> None:
    assert Capacity({}, {}, 1).hours() == float("inf")


def test_the_gauges_say_what_waits_how_old_it_is_and_how_long_the_rest_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, metrics = HandClock(), fakes.Metrics()
    outbox = Outbox(tmp_path, max_bytes=10 * 4096, now_ms=clock.now_ms)
    try:
        capacity = Capacity({"coingecko": 1}, {"coingecko": 60.0}, outbox.max_bytes)
        gauges = Gauges(outbox, capacity, metrics, clock, Health())
        with caplog.at_level(logging.INFO):
            gauges.run(fakes.HandLoop(clock, end=clock.monotonic()))
        assert f"the outbox {tmp_path} holds 0.2 hours of polls at this plan (OUTBOX_MAX_SIZE)" in caplog.text
        entries = [keep_poll(outbox, number, "coingecko", b"{}\n") for number in range(7)]
        clock.turn(5)
        outbox.done("s3", entries[0])
        gauges.look()
        assert metrics.value("outbox_polls", drain="kafka") == 7
        assert metrics.value("outbox_polls", drain="s3") == 6
        assert metrics.value("outbox_bytes", drain="s3") == 6 * 4096
        assert metrics.value("outbox_oldest_seconds", drain="kafka") == pytest.approx(5.0, abs=0.01)
        assert metrics.value("outbox_hours") == pytest.approx(3 / 60)
        assert "% full" not in caplog.text
        keep_poll(outbox, clock.now_ms(), "coingecko", b"{}\n")
        gauges.look()
        gauges.look()
        warnings = [record for record in caplog.records if "% full" in record.getMessage()]
        assert len(warnings) == 1
        assert warnings[0].levelno == logging.WARNING
        assert "80 % full (8 polls for kafka, 7 polls for s3); polling stops in about" in caplog.text
    finally:
        outbox.close()


def test_a_drain_without_room_is_said_by_readyz_until_it_has_some(tmp_path: Path) -> None:
    clock, metrics, health = HandClock(), fakes.Metrics(), Health()
    outbox = Outbox(tmp_path, max_bytes=10 * 4096, rooms={"s3": 2 * 4096})
    try:
        gauges = Gauges(outbox, Capacity({}, {}, outbox.max_bytes), metrics, clock, health)
        entries = [keep_poll(outbox, clock.now_ms() + number, "coingecko", b"{}\n") for number in range(2)]
        gauges.look()
        assert health.reasons() == {}
        keep_poll(outbox, clock.now_ms() + 2, "coingecko", b"{}\n")
        gauges.look()
        (reason,) = health.reasons().items()
        assert reason[0] == "outbox s3"
        assert "is full (8192 of 8192 bytes)" in reason[1]
        assert "the lake lacks them" in reason[1]
        assert "OUTBOX_S3_MAX_SIZE" in reason[1]
        outbox.done("s3", entries[0])
        keep_poll(outbox, clock.now_ms() + 3, "coingecko", b"{}\n")
        gauges.look()
        assert health.reasons() == {}
    finally:
        outbox.close()
