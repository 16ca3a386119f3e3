"""The topic of answers: the newest of each call, at most each 10 s, and nothing that a poll could feel."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.asking import Question
from cryptoproxy.common.settings import Settings
from cryptoproxy.producer.asking import answers as of_answers
from cryptoproxy.producer.asking.answers import Answers
from cryptoproxy.producer.feeds.poll import CallAnswer
from cryptoproxy.upstreams import asked_of
from cryptoproxy.upstreams.base import Call
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeProducer, Metrics, Sent, acknowledge

SETTINGS = Settings.from_texts({"BINANCE_BASE_URL": "http://localhost:1/binance"})
ASKED = asked_of(SETTINGS.upstreams)


def told(
    body: bytes, *, ms: int = 5, url: str = "http://localhost:1/binance/api/v3/ticker/24hr", **params: str
) -> CallAnswer:
    return CallAnswer(Call(url, params, {"x-key": "secret"}), body, ms)


class Bench:
    def __init__(self, react: Any = acknowledge) -> None:
        self.clock, self.metrics = HandClock(), Metrics()
        self.producer = FakeProducer(self.clock, react)
        self.answers = Answers(
            SETTINGS.kafka, ASKED, metrics=self.metrics, clock=self.clock, connect=lambda: self.producer
        )

    def sent(self) -> list[tuple[str, bytes]]:
        return [((each.key or b"").decode(), each.value) for each in self.producer.sent]


def test_an_answer_says_how_often_it_is_asked_for() -> None:
    bench = Bench()
    bench.answers.put("binance", [told(b"1", ms=1)], every_ms=600_000)
    assert bench.answers.send()
    assert bench.producer.sent[0].headers == [("fetched_at", b"1"), ("every_ms", b"600000")]


def test_the_newest_of_each_call_is_sent_at_most_each_ten_seconds() -> None:
    bench = Bench()
    bench.answers.put("binance", [told(b"1", ms=1), told(b"b", symbols='["B","A"]')])
    assert bench.answers.send()
    key = "binance/api/v3/ticker/24hr"
    assert bench.sent() == [(key, b"1"), (f"{key}?symbols=%5B%22B%22%2C%22A%22%5D", b"b")]
    assert bench.producer.sent[0].headers == [("fetched_at", b"1")]
    assert bench.producer.sent[0].topic == "crypto.answers"
    for number in range(2, 12):
        bench.answers.put("binance", [told(b"%d" % number)])
        bench.answers.send()
        bench.clock.turn(1)
    assert bench.sent()[2:] == []
    bench.answers.send()
    assert bench.sent()[2:] == [(key, b"11")]
    assert Question.from_key(bench.sent()[1][0]).params == (("symbols", '["B","A"]'),)


def test_what_the_topic_does_not_take_is_sent_again_unless_there_is_newer(caplog: pytest.LogCaptureFixture) -> None:
    fail = True

    def react(sent: Sent) -> None:
        if fail:
            sent.future.fail(kafka_errors.KafkaTimeoutError("away"))
        else:
            sent.future.acknowledge()

    bench = Bench(react)
    for number in range(5):
        bench.answers.put("binance", [told(b"%d" % number)])
        assert not bench.answers.send()
    fail = False
    assert bench.answers.send()
    assert bench.sent()[-1][1] == b"4"
    assert len(bench.sent()) == 6
    assert sum("lacks an answer" in line for line in caplog.messages) == 1
    assert bench.metrics.value("answers_total", outcome="failed") == 5
    assert bench.metrics.value("answers_total", outcome="sent") == 1


def test_what_is_too_large_for_the_topic_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda sent: sent.future.fail(kafka_errors.MessageSizeTooLargeError("large")))
    bench.answers.put("binance", [told(b"1")])
    assert not bench.answers.send()
    assert bench.answers.send()
    assert len(bench.sent()) == 1


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(of_answers, "MAX_BYTES", 10)
    monkeypatch.setattr(of_answers, "MAX_WAITING_BYTES", 25)
    bench = Bench()
    bench.answers.put("binance", [told(b"x" * 11, symbol="large")])
    bench.answers.put("binance", [told(b"x" * 10, symbol=str(number)) for number in range(5)])
    bench.answers.put("nobody", [told(b"x")])
    bench.answers.send()
    assert [value for _, value in bench.sent()] == [b"x" * 10] * 2
    assert bench.metrics.value("answers_total", outcome="dropped") == 4
