"""What counts as sent to Kafka, and what becomes of a producer that has failed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.kafka_python.sender import Sender

HANGS = kafka_errors.KafkaTimeoutError("no answer")
TOO_LARGE = kafka_errors.MessageSizeTooLargeError()
Outcome = kafka_errors.KafkaError | None


class Producer:
    """Each value that it is given is what becomes of it."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events
        self._sender = self

    def send(self, outcome: Outcome) -> Callable[..., None]:
        def get(timeout: float) -> None:
            self.events.append(timeout)
            if outcome is not None:
                raise outcome

        future = type("Future", (), {})()
        future.get = get
        return future

    def force_close(self) -> None:
        self.events.append("ended")

    def join(self, seconds: float) -> None: ...

    def close(self, timeout: float) -> None:
        raise kafka_errors.KafkaTimeoutError("something is unsent")


def made(events: list[Any], **options: Any) -> Sender:
    def connect(*, one_by_one: bool = False) -> Producer:
        events.append("one by one" if one_by_one else "made")
        return Producer(events)

    return Sender(connect, ack_seconds=7.0, **options)


def sends(*outcomes: Outcome) -> list[Callable[[Any], Any]]:
    return [partial(lambda outcome, producer: producer.send(outcome), outcome) for outcome in outcomes]


def test_each_is_waited_for_and_a_producer_that_is_well_is_kept() -> None:
    events: list[Any] = []
    sender = made(events)
    assert sender.send_all(sends(None, None)) == [None, None]
    assert sender.send_all(sends(None)) == [None]
    assert events == ["made", 7.0, 7.0, 7.0]


@pytest.mark.parametrize("failure", [HANGS, TOO_LARGE])
def test_after_a_failure_the_others_get_no_time_and_the_producer_is_ended_before_there_is_another(
    failure: kafka_errors.KafkaError,
) -> None:
    events: list[Any] = []
    sender = made(events)
    assert sender.send_all(sends(None, failure, None)) == [None, failure, None]
    assert not sender.connected
    sender.send_all(sends(None))
    assert events == ["made", 7.0, 7.0, 0, "ended", "made", 7.0]


def test_one_by_one_a_record_that_is_too_large_says_nothing_of_the_others() -> None:
    events: list[Any] = []
    sender = made(events, one_by_one=True)
    assert sender.send_all(sends(TOO_LARGE, None)) == [TOO_LARGE, None]
    assert events == ["one by one", 7.0, 7.0]
    assert sender.discard()
    assert not sender.discard()


def test_where_there_is_no_producer_nothing_is_sent() -> None:
    def connect() -> Any:
        raise HANGS

    assert Sender(connect, ack_seconds=7.0).send_all(sends(None, None)) == [HANGS, HANGS]


def test_a_closed_one_makes_no_producer() -> None:
    events: list[Any] = []
    sender = made(events)
    sender.close()
    (failure,) = sender.send_all(sends(None))
    assert isinstance(failure, kafka_errors.KafkaTimeoutError)
    assert events == []
