"""What is published, when, and what becomes of failures; the brokers are played."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer import handover
from cryptoproxy.producer.handover import REPEAT_SECONDS, StatePublisher, budget_key, read_all, slot_key
from tests.conftest import wait_until
from tests.unit.producer.budget.hand_clock import HandClock

KAFKA = Settings.from_texts({}).kafka


class Topic:
    """The topic behind producers that can be told to fail."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.fails: Exception | None = None
        self.producers = 0
        self.closed = 0
        self.ended: list[str] = []
        self._sender = self

    def connect(self) -> Topic:
        self.producers += 1
        return self

    def send(self, topic: str, *, key: bytes, value: bytes) -> Topic:
        assert topic == "crypto-data.state"
        if self.fails is None:
            self.records.append((key.decode(), value))
        return self

    def get(self, timeout: float) -> None:
        if self.fails:
            raise self.fails

    def close(self, timeout: float) -> None:
        self.closed += 1

    def force_close(self) -> None:
        self.ended.append("told")

    def join(self, timeout: float) -> None:
        self.ended.append("gone")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def values() -> dict[str, bytes]:
    return {"budget:binance": b"one", "slot:binance": b"1"}


@pytest.fixture
def publisher(topic: Topic, values: dict[str, bytes], clock: HandClock) -> StatePublisher:
    states: dict[str, Callable[[], bytes]] = {key: (lambda key=key: values[key]) for key in values}  # type: ignore[misc]
    return StatePublisher(KAFKA, states, active=lambda: True, connect=topic.connect, monotonic=clock.monotonic)


def test_the_keys() -> None:
    assert (budget_key("binance"), slot_key("bybit-spot")) == ("budget:binance", "slot:bybit-spot")


def test_only_what_has_changed_is_published(publisher: StatePublisher, topic: Topic, values: dict[str, bytes]) -> None:
    assert publisher.publish()
    assert publisher.publish()
    values["slot:binance"] = b"2"
    assert publisher.publish()
    assert topic.records == [("budget:binance", b"one"), ("slot:binance", b"1"), ("slot:binance", b"2")]
    assert topic.producers == 1


def test_now_and_then_all_is_published_again(publisher: StatePublisher, topic: Topic, clock: HandClock) -> None:
    publisher.publish()
    clock.turn(REPEAT_SECONDS)
    publisher.publish()
    assert len(topic.records) == 4


def test_nothing_is_published_where_there_is_nothing_yet(
    publisher: StatePublisher, topic: Topic, values: dict[str, bytes]
) -> None:
    values["slot:binance"] = b""
    publisher.publish()
    assert topic.records == [("budget:binance", b"one")]


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.KafkaTimeoutError("no broker"),
        kafka_errors.UnknownTopicOrPartitionError(),
        kafka_errors.TopicAuthorizationFailedError(),
    ],
)
def test_a_topic_that_takes_nothing_is_said_and_tried_again_with_a_new_producer(
    publisher: StatePublisher, topic: Topic, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    topic.fails = error
    assert publisher.publish() is False
    assert "the state is not published" in caplog.text
    topic.fails = None
    assert publisher.publish()
    assert len(topic.records) == 2
    assert (topic.producers, topic.closed) == (2, 1)
    assert topic.ended == ["told", "gone"], "so it cannot write what is old after what is new"


def test_brokers_that_cannot_be_found_are_no_error_of_the_poller(values: dict[str, bytes]) -> None:
    def connect() -> Any:
        raise kafka_errors.KafkaTimeoutError("Unable to bootstrap")

    publisher = StatePublisher(KAFKA, {"key": lambda: b"value"}, active=lambda: True, connect=connect)
    assert publisher.publish() is False


def test_who_stands_by_publishes_nothing_and_all_of_it_when_its_turn_comes(topic: Topic) -> None:
    active = True
    publisher = StatePublisher(KAFKA, {"key": lambda: b"value"}, active=lambda: active, connect=topic.connect)
    publisher.publish()
    active = False
    assert publisher.publish()
    active = True
    publisher.publish()
    assert len(topic.records) == 2


def test_what_is_urgent_does_not_wait_and_a_stop_publishes_once_more(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "EVERY_SECONDS", 3600.0)
    urgent, stop = threading.Event(), threading.Event()
    values = [b"before"]
    publisher = StatePublisher(
        KAFKA, {"key": lambda: values[0]}, active=lambda: True, urgent=urgent, connect=topic.connect
    )
    thread = threading.Thread(target=publisher.run, args=(Loop("state", stop),))
    thread.start()
    try:
        wait_until(lambda: topic.records == [("key", b"before")])
        values[0] = b"a ban"
        urgent.set()
        wait_until(lambda: ("key", b"a ban") in topic.records)
        values[0] = b"last"
    finally:
        stop.set()
        thread.join(180)
    assert not thread.is_alive()
    assert topic.records[-1] == ("key", b"last")
    assert topic.closed == 1


def test_a_missing_topic_cannot_be_read() -> None:
    class Consumer:
        def assignment(self) -> set[TopicPartition]:
            return set()

        def partitions_for_topic(self, topic: str) -> set[int]:
            return set()

        def close(self, **_: object) -> None:
            pass

    with pytest.raises(OperatorError, match="cryptoproxy setup"):
        read_all(KAFKA, timeout=1, connect=Consumer)


def test_brokers_that_are_away_are_transient() -> None:
    def connect() -> Any:
        raise kafka_errors.KafkaTimeoutError("Unable to bootstrap")

    with pytest.raises(TransientError):
        read_all(KAFKA, timeout=1, connect=connect)
