from __future__ import annotations

import logging

import pytest

from cryptoproxy.common.service import Health


@pytest.fixture
def now() -> list[float]:
    return [1_000.0]


@pytest.fixture
def health(now: list[float], caplog: pytest.LogCaptureFixture) -> Health:
    caplog.set_level(logging.INFO)
    return Health(clock=lambda: now[0])


def test_a_part_that_is_held_up_is_named_until_it_goes_on(health: Health) -> None:
    assert health.reasons() == {}
    health.hold("kafka", "away")
    health.hold("s3", "no rights")
    health.hold("kafka", "still away")
    assert health.reasons() == {"kafka": "still away", "s3": "no rights"}
    health.release("kafka")
    health.release("kafka")
    assert health.reasons() == {"s3": "no rights"}


def test_a_reason_is_on_one_line_whoever_s_words_are_in_it(health: Health) -> None:
    health.hold("source coingecko", "ValueError: a\r\nb\x1b[2J\x9b")
    assert health.reasons() == {"source coingecko": r"ValueError: a\r\nb\u001b[2J\u009b"}


def test_what_is_given_out_is_a_copy(health: Health) -> None:
    health.hold("kafka", "away")
    health.reasons().clear()
    assert health.reasons() == {"kafka": "away"}


def test_beginning_and_end_are_logged_once(health: Health, now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        health.hold("kafka", "away")
        now[0] += 2
    health.release("kafka")
    health.release("kafka")
    health.hold("kafka", "away")
    now[0] += 1
    health.release("kafka")
    assert caplog.messages == [
        "not ready: kafka: away",
        "ready: kafka, after 10 s (it was: away)",
        "not ready: kafka: away",
        "ready: kafka, after 1 s (it was: away)",
    ]


def test_another_reason_is_logged(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    health.hold("kafka", "away")
    health.hold("kafka", "refuses the password")
    health.hold("s3", "refuses the password")
    assert caplog.messages == [
        "not ready: kafka: away",
        "still not ready: kafka: refuses the password",
        "not ready: s3: refuses the password",
    ]


def test_the_same_reason_with_other_numbers_is_no_other(
    health: Health, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for count in range(100):
        now[0] += 30
        health.hold("kafka", f"away ({count} polls wait)")
    assert caplog.messages == ["not ready: kafka: away (0 polls wait)"]
    assert health.reasons() == {"kafka": "away (99 polls wait)"}


def test_reasons_that_take_turns_are_logged_once_a_minute(
    health: Health, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(180):
        now[0] = 1_000.0 + second
        health.hold("kafka", "refused" if second % 2 else "timed out")
    assert 4 <= len(caplog.messages) <= 8
    assert {message.rpartition(": ")[2] for message in caplog.messages} == {"refused", "timed out"}


def test_a_reason_that_stays_after_a_flutter_is_logged_in_the_end(
    health: Health, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    health.hold("kafka", "timed out")
    health.hold("kafka", "refused")
    for _ in range(70):
        now[0] += 1
        health.hold("kafka", "timed out")
    assert caplog.messages[2:] == ["still not ready: kafka: timed out"]


def test_one_who_has_parts_of_its_own_sees_no_other_s() -> None:
    health = Health()
    minute, day = health.of("candle-1m"), health.of("candle-1d")
    minute.hold("fuse", "blown")
    day.hold("elasticsearch", "away")
    assert health.reasons() == {"candle-1m fuse": "blown", "candle-1d elasticsearch": "away"}
    assert minute.reasons() == {"fuse": "blown"}
    minute.release("elasticsearch")
    minute.release("fuse")
    assert health.reasons() == {"candle-1d elasticsearch": "away"}
