"""Poison to the dead-letter topic: original bytes, headers that say why, and done only when acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.batch import DeadLetter
from cryptoproxy.consumer.letters.dead_letters import PART, DeadLetterQueue, content_of
from cryptoproxy.datasets import iso, opened
from tests.conftest import wait_until
from tests.unit.consumer.support import NOW_MS, at_once, consumed, metrics

KAFKA = Settings.from_texts({}).kafka


def letter(offset: int = 1, *, error: str = "not JSON", **record: Any) -> DeadLetter:
    content = {"content": b"\xff", "key": b"key"} | record
    return DeadLetter(consumed(offset, content.pop("content"), **content), "not_json", error)


class Sent:
    """kafka-python's future of a sent record."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def get(self, timeout: float | None = None) -> None:
        if self._error is not None:
            raise self._error


class Producer:
    """Takes records; ``verdict`` says what becomes of each."""

    def __init__(self, verdict: Callable[[dict[str, Any]], Exception | None] = lambda sent: None) -> None:
        self.verdict = verdict
        self.sent: list[dict[str, Any]] = []
        self.closed = threading.Event()

    def send(self, topic: str, **record: Any) -> Sent:
        self.sent.append({"topic": topic} | record)
        return Sent(self.verdict(record))

    def close(self, timeout: float) -> None:
        self.closed.set()


def queue_of(*producers: Producer | Exception, health: Health | None = None) -> DeadLetterQueue:
    coming = iter(producers)

    def connect() -> Producer:
        producer = next(coming)
        if isinstance(producer, Exception):
            raise producer
        return producer

    return DeadLetterQueue(
        KAFKA, health or Health(), metrics(), now_ms=lambda: NOW_MS, connect=connect, backoff=at_once
    )


def test_key_and_value_are_the_original_bytes() -> None:
    producer = Producer()
    assert queue_of(producer).send([letter(content=b"\xff\x00", key=None), letter(content=None)], threading.Event())
    assert [(each["topic"], each["key"], each["value"]) for each in producer.sent] == [
        ("crypto-data.dlq", None, b"\xff\x00"),
        ("crypto-data.dlq", b"key", None),
    ]


def test_headers_say_why_and_from_where_and_keep_the_originals() -> None:
    original = [("schema-version", b"9"), ("trace", b"\xff")]
    assert content_of(letter(42, number=2, headers=original), now_ms=NOW_MS).headers == [
        ("dlq-reason", b"not_json"),
        ("dlq-error", b"not JSON"),
        ("dlq-topic", b"crypto-data"),
        ("dlq-partition", b"2"),
        ("dlq-offset", b"42"),
        ("dlq-time", iso(NOW_MS).encode()),
        *original,
    ]


def test_a_long_error_is_cut_at_a_whole_character() -> None:
    error = dict(content_of(letter(error="☃" * 1000), now_ms=NOW_MS).headers)["dlq-error"]
    assert len(error) <= 1024
    assert error.decode() == "☃" * 341


def test_half_a_surrogate_pair_in_an_error_is_no_trap() -> None:
    assert dict(content_of(letter(error="a\ud800b"), now_ms=NOW_MS).headers)["dlq-error"] == b"a?b"


def test_only_those_that_were_not_acknowledged_are_sent_again_by_a_new_producer() -> None:
    def second_fails(record: dict[str, Any]) -> Exception | None:
        return kafka_errors.KafkaTimeoutError() if record["value"] == b"1" else None

    first, second = Producer(second_fails), Producer()
    letters = [letter(offset, content=b"%d" % offset) for offset in range(3)]
    assert queue_of(first, second).send(letters, threading.Event())
    assert [each["value"] for each in first.sent] == [b"0", b"1", b"2"]
    assert [each["value"] for each in second.sent] == [b"1"]
    assert first.closed.wait(180)
    assert not second.closed.is_set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (kafka_errors.KafkaTimeoutError("metadata"), "cryptoproxy setup"),
        (kafka_errors.MessageSizeTooLargeError(), "max.message.bytes"),
        (kafka_errors.TopicAuthorizationFailedError(), "rights"),
        (kafka_errors.KafkaConnectionError("refused"), "refused"),
    ],
)
def test_while_the_topic_takes_nothing_it_waits_and_says_why(error: Exception, words: str) -> None:
    health = Health()
    said: list[str] = []

    def note() -> Producer:
        said.append(health.reasons().get(PART, ""))
        return producers.pop(0)

    producers = [Producer(lambda record: error), Producer(lambda record: error), Producer()]
    queue = DeadLetterQueue(KAFKA, health, metrics(), now_ms=lambda: NOW_MS, connect=note, backoff=at_once)
    assert queue.send([letter()], threading.Event())
    assert words in said[1]
    assert health.reasons() == {}


def test_without_brokers_it_waits() -> None:
    producer = Producer()
    assert queue_of(kafka_errors.KafkaTimeoutError("bootstrap"), producer).send([letter()], threading.Event())
    assert len(producer.sent) == 1


def test_a_batch_that_is_given_back_stops_and_no_longer_keeps_the_process_from_being_ready() -> None:
    health = Health()
    abandon = threading.Event()
    queue = queue_of(*[kafka_errors.KafkaTimeoutError()] * 10_000, health=health)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(queue.send, [letter()], abandon)
        wait_until(lambda: PART in health.reasons())
        abandon.set()
        assert done.result(180) is False
    assert health.reasons() == {}


def test_a_batch_given_back_that_still_waits_does_not_take_the_next_ones_producer_away() -> None:
    """After a rebalance a new batch may send while the old one still waits for an answer that never comes."""
    waiting, fail = threading.Event(), threading.Event()

    class Hanging(Sent):
        def get(self, timeout: float | None = None) -> None:
            waiting.set()
            assert fail.wait(180)
            raise kafka_errors.KafkaTimeoutError()

    class First(Producer):
        def send(self, topic: str, **record: Any) -> Sent:
            super().send(topic, **record)
            return Hanging(None) if len(self.sent) == 1 else Sent(kafka_errors.KafkaTimeoutError())

    first, second = First(), Producer()
    queue = queue_of(first, second)
    abandoned = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(queue.send, [letter(1)], abandoned)
        assert waiting.wait(180)
        abandoned.set()
        assert queue.send([letter(2)], threading.Event())  # fails at the first producer, then gets its own
        fail.set()
        assert old.result(180) is False
    assert queue.send([letter(3)], threading.Event())
    assert len(second.sent) == 2
    assert not second.closed.is_set()


def test_a_closed_queue_opens_no_producer() -> None:
    producer = Producer()
    queue = queue_of(producer)
    queue.close()
    abandon = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(queue.send, [letter()], abandon)
        abandon.set()
        assert done.result(180) is False
    assert producer.sent == []


def test_letters_are_counted_by_reason_once_acknowledged() -> None:
    measures = metrics()
    queue = DeadLetterQueue(KAFKA, Health(), measures, now_ms=lambda: NOW_MS, connect=Producer, backoff=at_once)
    queue.send([letter(1), letter(2)], threading.Event())
    assert measures.dead_letters.labels("not_json")._value.get() == 2


class Strict(Producer):
    """Takes what kafka-python takes, and no more bytes than ``limit``."""

    def __init__(self, *, limit: int = 1_000_000) -> None:
        super().__init__()
        self._limit = limit

    def send(self, topic: str, **record: Any) -> Sent:
        if record["value"] is None and record["key"] is None:
            raise ValueError("Need at least one: key or value")
        if not all(isinstance(value, bytes) for _, value in record["headers"]):
            raise TypeError("All headers items must be (str, bytes) tuples")
        for name, _ in record["headers"]:
            name.encode()
        if len(record["value"] or b"") > self._limit:
            raise kafka_errors.MessageSizeTooLargeError("larger than max_request_size")
        return super().send(topic, **record)


class AtTheBroker(Producer):
    """An idempotent one: a record too large for the topic fails all that are under way with it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[dict[str, Any]] = []

    def send(self, topic: str, **record: Any) -> Sent:
        self.sent.append(record)
        producer = self

        class Later(Sent):
            def get(self, timeout: float | None = None) -> None:
                if any(len(each["value"] or b"") > 5_000 for each in producer.sent):
                    raise kafka_errors.MessageSizeTooLargeError
                producer.written.append(record)

        return Later(None)


def read_back(sent: dict[str, Any]) -> Any:
    return opened(consumed(0, sent["value"], key=sent["key"], headers=sent["headers"]))


@pytest.mark.parametrize(
    ("key", "content", "headers"),
    [
        (b"x", b"not json", [("trace-id", None)]),
        (None, None, []),
        (None, None, [("trace-id", None), ("trace-id", b"")]),
        (b"x", None, [("\udcff\udcfetrace", b"1"), ("\udcff", None)]),
        (None, b"", [("many", None)] * 1_000),
    ],
)
def test_whatever_a_record_is_its_letter_is_written_and_read_back(
    key: bytes | None, content: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    producer = Strict()
    assert queue_of(producer).send([letter(content=content, key=key, headers=headers)], threading.Event())
    (sent,) = producer.sent
    assert read_back(sent)[1:] == (key, content, headers, None)


def test_a_letter_that_the_client_cannot_write_goes_without_its_content_and_the_others_with_theirs() -> None:
    health, producer = Health(), Strict(limit=1_000)
    letters = [letter(1), letter(2, content=b"x" * 2_000, key=b"k", headers=[("a", b"12")]), letter(3)]
    assert queue_of(producer, health=health).send(letters, threading.Event())
    first, bare, last = producer.sent
    assert [first["value"], last["value"]] == [b"\xff", b"\xff"]
    found = read_back(bare)
    assert (found.ours["dlq-offset"], found.ours["dlq-reason"], found.left_out) == ("2", "not_json", 2_004)
    assert "without its 2004 bytes" in found.ours["dlq-error"]
    assert "larger than max_request_size" in found.ours["dlq-error"]
    assert found.ours["dlq-error"].endswith("not JSON")
    assert health.reasons() == {}


def test_a_letter_that_the_topic_refuses_for_its_size_goes_without_its_content_and_the_others_with_theirs() -> None:
    producers = [AtTheBroker() for _ in range(9)]
    letters = [letter(at, content=b"x" * (10_000 if at == 1 else 10)) for at in range(3)]
    assert queue_of(*producers).send(letters, threading.Event())
    written = [read_back(sent) for producer in producers for sent in producer.written]
    assert {found.ours["dlq-offset"]: found.left_out for found in written} == {"0": None, "1": 10_003, "2": None}
    assert len(written) == 3


def test_a_record_that_could_not_be_read_is_a_letter_that_says_why() -> None:
    record = UnreadRecord(*consumed(7, None, key=None))
    record.reason, record.why = "too_large", "a batch of 99 bytes is more than 5 when unpacked"
    producer = Strict()
    assert queue_of(producer).send([DeadLetter(record, record.reason, record.why)], threading.Event())
    found = read_back(producer.sent[0])
    assert (found.ours["dlq-offset"], found.ours["dlq-reason"], found.left_out) == ("7", "too_large", -1)
    assert "99 bytes" in found.ours["dlq-error"]


def test_a_producer_that_is_thrown_away_is_ended_though_its_close_fails() -> None:
    """kafka-python's own close gives up where something is unsent, and leaves its thread and sockets."""

    class Hung(Producer):
        def __init__(self) -> None:
            super().__init__(lambda sent: kafka_errors.KafkaTimeoutError())
            self.ended = threading.Event()
            self._sender = self

        def force_close(self) -> None:
            self.ended.set()

        def join(self, timeout: float) -> None:
            """Of its thread."""

        def close(self, timeout: float) -> None:
            raise kafka_errors.KafkaTimeoutError("unsent")

    hung = Hung()
    assert queue_of(hung, Producer()).send([letter()], threading.Event())
    assert hung.ended.wait(180)
