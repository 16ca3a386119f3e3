from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill.targets import IndexTarget, TopicTarget, key_of
from cryptoproxy.consumer.batch import Batch, DeadLetter, place_of
from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.datasets import RECORD_HEADERS, TICKER, document_id, encode, from_iso, key
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.form import Stored
from tests.unit.consumer.backfill.lake import NOW_MS, TEN, record

KAFKA = Settings.from_texts({}).kafka
places = partial(place_of, Settings.from_texts({"ES_INDEX": "p"}).elasticsearch)


def stored(*assets: str) -> list[Stored]:
    found = []
    for number, asset in enumerate(assets, start=1):
        made = record(asset)
        found.append(Stored(document_id(made), TEN, made.fetched_at, encode(made), "object", number))
    return found


class FakeDelivery:
    def __init__(self) -> None:
        self.batch = Batch()

    def deliver(self, batch: Batch, abandon: Any) -> Delivered:
        self.batch = batch
        refused = DeadLetter(batch.records[1], "document_parsing_exception", "400")
        return Delivered(indexed=1, duplicates=1, dead=[refused], refused=[batch.indices[1]])


def test_the_index_gets_the_indexer_s_own_lines_and_a_refusal_names_object_and_line() -> None:
    delivery = FakeDelivery()
    target = IndexTarget(delivery, TICKER, places, now_ms=lambda: NOW_MS)  # type: ignore[arg-type]
    records = stored("bitcoin", "ether", "tether")
    sent = target.send(records)
    assert (sent.written, sent.known) == (1, 1)
    assert [(each.key, each.number, each.reason) for each in sent.refused] == [
        ("object", 2, "document_parsing_exception")
    ]
    expected = b'{"create":{"_index":"p-2026.11.01","_id":"%b"}}\n%b\n'
    assert delivery.batch.lines == [expected % (each.id.encode(), each.line) for each in records]


def test_closed_it_gives_up_what_waits() -> None:
    class Waiting:
        def deliver(self, batch: Batch, abandon: Any) -> Delivered:
            assert abandon.wait(180)
            return Delivered(abandoned=True)

    target = IndexTarget(Waiting(), TICKER, places, now_ms=lambda: NOW_MS)  # type: ignore[arg-type]
    target.close()
    with pytest.raises(TransientError):
        target.send(stored("bitcoin"))


class Future:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def get(self, timeout: float) -> None:
        if self._error is not None:
            raise self._error


class FakeProducer:
    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[Any, ...]] = []
        self.closed = False

    def send(self, name: str, *, key: bytes, value: bytes, headers: Any) -> Future:
        self.sent.append((name, key, value, headers))
        return Future(self.errors.pop(0) if self.errors else None)

    def close(self, timeout: float) -> None:
        self.closed = True


def target(*producers: FakeProducer, waits: list[float] | None = None) -> TopicTarget:
    left = list(producers)
    waits = [] if waits is None else waits
    return TopicTarget("other", KAFKA, connect=lambda one_by_one: left.pop(0), wait=waits.append)


def test_key_header_and_bytes_are_those_of_the_poller() -> None:
    producer = FakeProducer()
    assert target(producer).send(stored("bitcoin")).written == 1
    made = record("bitcoin")
    assert producer.sent == [("other", key(made).encode(), encode(made), RECORD_HEADERS)]


def test_the_key_is_the_id_without_its_slot() -> None:
    made = record("ünïcode", slot_ms=from_iso("2026-11-20T10:00:00.000Z"))
    assert key_of(document_id(made)) == key(made).encode()


def test_what_is_not_acknowledged_is_sent_again_in_order_by_another_producer() -> None:
    broken = FakeProducer(None, kafka_errors.KafkaTimeoutError("expired"), None)
    second = FakeProducer()
    sent = target(broken, second).send(stored("a", "b", "c"))
    assert sent.written == 3
    assert broken.closed
    assert [each[1] for each in second.sent] == [b"coingecko:b:USD", b"coingecko:c:USD"]


def test_brokers_that_are_away_are_waited_for() -> None:
    waits: list[float] = []
    away = FakeProducer(kafka_errors.KafkaTimeoutError("away"))
    assert target(away, FakeProducer(), waits=waits).send(stored("a")).written == 1
    assert len(waits) == 1


def test_a_record_that_the_topic_refuses_for_its_size_holds_up_nothing() -> None:
    """An idempotent producer gives what stands beside it the same error, so each is sent by itself then."""
    large = kafka_errors.MessageSizeTooLargeError("large")
    asked, producers = [], [FakeProducer(None, large, large, large), FakeProducer(None, large), FakeProducer()]

    def connect(*, one_by_one: bool) -> FakeProducer:
        asked.append(one_by_one)
        return producers[len(asked) - 1]

    made = TopicTarget("other", KAFKA, connect=connect, wait=lambda _: None)
    sent = made.send(stored("a", "b", "c", "d"))
    assert sent.written == 3
    assert [(each.reason, each.number) for each in sent.refused] == [("too_large", 3)]
    made.send(stored("e"))
    assert asked == [False, True, False]
    assert [producer.closed for producer in producers] == [True, True, False]


def test_what_needs_a_person_ends_it() -> None:
    with pytest.raises(OperatorError):
        target(FakeProducer(kafka_errors.TopicAuthorizationFailedError("no"))).send(stored("a"))
