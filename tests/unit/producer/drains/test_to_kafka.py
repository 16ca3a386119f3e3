"""The drain to Kafka: what leaves the outbox, when, and what becomes of a producer that does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, LETTER_HEADERS, SCHEMA_VERSION_HEADER, Feed, encode, from_iso, opened
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.drains import to_kafka
from cryptoproxy.producer.drains.in_flight import Flight, InFlight
from cryptoproxy.producer.drains.to_kafka import ACK_SECONDS, SLOW_SECONDS, Publisher
from cryptoproxy.producer.outbox import Entry, Outbox
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import (
    FakeFuture,
    FakeProducer,
    HandLoop,
    Metrics,
    Sent,
    acknowledge,
    keep_poll,
    kept_entry,
    record,
)

KAFKA = Settings.from_texts({"KAFKA_TOPIC": "crypto-data"}).kafka
TOPIC, LETTERS = "crypto-data", "crypto-data.dlq"
React = Callable[[Sent], None]


class Bench:
    """A publisher over a real outbox and producers from a script, one for each connection."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.outbox = Outbox(folder, max_bytes=1 << 30)
        self.outbox.wait = self._wait  # type: ignore[method-assign]
        self.health, self.metrics = Health(), Metrics()
        self.reactions: list[React | Exception] = []
        """Of each producer in turn; the last one stays. An error: no connection."""
        self.producers: list[FakeProducer] = []
        self.one_by_one: list[FakeProducer] = []
        """Those whose errors are each that of its own record."""
        self.react_one_by_one: React | None = None
        self.refusals: dict[str, OperatorError] = {}
        self.published: list[Entry] = []
        self.publisher = Publisher(
            KAFKA,
            self.outbox,
            connect=self._connect,
            refusal=self.refusals.get,
            published=self.published.append,
            health=self.health,
            metrics=self.metrics,
            quiet=lambda source: False,
            clock=self.clock,
        )

    def _wait(self, drain: str, seconds: float, *, without: object = ()) -> None:
        self.clock.turn(seconds)

    def _connect(self, *, one_by_one: bool = False) -> FakeProducer:
        if one_by_one:
            self.one_by_one.append(FakeProducer(self.clock, self.react_one_by_one or self.producers[-1].react))
            return self.one_by_one[-1]
        reaction = self.reactions.pop(0) if len(self.reactions) > 1 else self.reactions[0]
        if isinstance(reaction, Exception):
            raise reaction
        self.producers.append(FakeProducer(self.clock, reaction))
        return self.producers[-1]

    def keep(self, slot: int, *assets: str) -> Entry:
        slot_ms = self.clock.now_ms() - self.clock.now_ms() % 1000 + slot * 1000
        lines = [encode(record(asset, 1.0, slot_ms, slot_ms)) + b"\n" for asset in assets or ("bitcoin", "ether")]
        return keep_poll(self.outbox, slot_ms, "coingecko", b"".join(lines))

    def run(self, seconds: float, *reactions: React | Exception, before: Callable[[], None] | None = None) -> HandLoop:
        self.reactions = list(reactions) or self.reactions or [acknowledge]
        loop = HandLoop(self.clock, end=self.clock.monotonic() + seconds, before=before)
        self.publisher.run(loop)
        return loop

    def waiting(self) -> int:
        return self.outbox.count("kafka")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.outbox.close()


def ignore(sent: Sent) -> None:
    """As a producer that hangs."""


def refuse_large(*assets: str) -> React:
    """The topic takes all but the records of these."""

    def react(sent: Sent) -> None:
        if sent.topic == TOPIC and json.loads(sent.value)["asset_id"] in assets:
            sent.future.fail(kafka_errors.MessageSizeTooLargeError())
        else:
            sent.future.acknowledge()

    return react


def test_a_record_is_sent_with_the_key_header_and_bytes_of_the_contract(bench: Bench) -> None:
    bench.keep(0, "bitcoin")
    bench.run(2)
    (sent,) = bench.producers[0].sent
    assert (sent.topic, sent.key, sent.headers) == (TOPIC, b"coingecko:bitcoin:USD", [("schema-version", b"1")])
    assert json.loads(sent.value)["asset_id"] == "bitcoin"
    assert not sent.value.endswith(b"\n")
    assert bench.waiting() == 0


def test_polls_leave_in_the_order_of_keeping_when_every_record_is_acknowledged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [bench.keep(number) for number in (2, 0, 1)]
    with caplog.at_level("INFO"):
        bench.run(2)
    assert bench.published == entries
    assert caplog.messages.count("2 records sent to crypto-data") == 3
    assert bench.metrics.value("records_published_total", source="coingecko") == 6
    assert bench.metrics.value("producer_replaced_total") == 0


def test_a_poll_of_which_one_record_is_not_acknowledged_stays(bench: Bench) -> None:
    entry = bench.keep(0, "bitcoin", "ether", "solana")
    bench.run(10, lambda sent: acknowledge(sent) if b"ether" not in sent.value else None)
    assert bench.published == []
    assert bench.outbox.oldest("kafka") == [entry]


def test_an_empty_poll_leaves_without_a_message(bench: Bench) -> None:
    slot_ms = bench.clock.now_ms()
    keep_poll(bench.outbox, slot_ms, "coingecko", b"")
    bench.run(2)
    assert bench.waiting() == 0
    assert bench.producers[0].sent == []


def test_without_an_acknowledgement_it_is_said_and_then_the_producer_is_thrown_away_and_all_sent_again(
    bench: Bench,
) -> None:
    bench.keep(0)
    said: list[str] = []
    began = bench.clock.monotonic()
    bench.run(ACK_SECONDS + 20, ignore, acknowledge, before=lambda: said.append(str(bench.health.reasons())))
    first, second = bench.producers
    assert first.closed
    assert [sent.value for sent in first.sent] == [sent.value for sent in second.sent]
    assert any("has not acknowledged what was sent" in text and "polling goes on" in text for text in said)
    assert any("no acknowledgement for 30 s" in text for text in said)
    assert not any("acknowledge" in text for text in said[: int(SLOW_SECONDS / 0.05) - 5])
    assert bench.health.reasons() == {}
    assert bench.waiting() == 0
    assert bench.metrics.value("producer_replaced_total") == 1
    assert bench.clock.monotonic() - began < ACK_SECONDS + 21


def test_a_batch_that_expires_in_the_client_is_sent_again_by_a_new_one(bench: Bench) -> None:
    bench.keep(0)
    expired = kafka_errors.KafkaTimeoutError("Expiring 2 record(s)")
    bench.run(20, lambda sent: sent.future.fail(expired), acknowledge)
    assert len(bench.producers) == 2
    assert bench.waiting() == 0


def test_slow_progress_is_progress(bench: Bench) -> None:
    bench.keep(0, *[f"coin-{number}" for number in range(10)])

    def one_each_25_seconds() -> None:
        for producer in bench.producers:
            for number, sent in enumerate(producer.sent):
                if bench.clock.monotonic() > began + 25 * (number + 1):
                    sent.future.acknowledge()

    began = bench.clock.monotonic()
    bench.run(300, ignore, before=one_each_25_seconds)
    assert len(bench.producers) == 1
    assert bench.waiting() == 0


def test_a_poll_that_comes_while_an_older_one_waits_is_sent_at_once_and_leaves_first(bench: Bench) -> None:
    old = bench.keep(0, "bitcoin")
    new: list[Entry] = []
    sent_after: list[float] = []

    def come() -> None:
        now = bench.clock.monotonic()
        if not new and now > began + 3:
            new.append(bench.keep(1, "ether"))
        if new and not sent_after and any(b"ether" in sent.value for sent in bench.producers[0].sent):
            sent_after.append(now - began - 3)

    began = bench.clock.monotonic()
    bench.run(10, lambda sent: acknowledge(sent) if b"ether" in sent.value else None, before=come)
    assert bench.published == new
    assert bench.outbox.oldest("kafka") == [old]
    assert sent_after[0] < 0.5


def test_that_others_are_acknowledged_does_not_hide_that_the_oldest_hangs(bench: Bench) -> None:
    bench.keep(0, "bitcoin")
    number = 0

    def come() -> None:
        nonlocal number
        if bench.clock.monotonic() > began + number:
            number += 1
            bench.keep(number, "ether")

    began = bench.clock.monotonic()
    react = [lambda sent: acknowledge(sent) if b"ether" in sent.value else None, acknowledge]
    bench.run(ACK_SECONDS + 15, *react, before=come)
    assert len(bench.producers) == 2
    assert bench.waiting() <= 1


def test_a_long_backlog_is_not_read_into_memory_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = bench.keep(0)
    size = sum(len(line) for line in bench.outbox.read("kafka", entry).splitlines())  # type: ignore[union-attr]
    bench.publisher._flights = InFlight(polls=1000, max_bytes=5 * size)
    for number in range(1, 200):
        bench.keep(number)
    bench.run(5, ignore)
    assert len(bench.producers[0].sent) == 5 * 2
    bench.run(ACK_SECONDS + 60, acknowledge)
    assert bench.waiting() == 0


def test_while_kafka_cannot_be_reached_it_is_said_with_how_much_waits_and_tried_at_short_intervals(
    bench: Bench,
) -> None:
    for number in range(3):
        bench.keep(number)
    away = kafka_errors.KafkaTimeoutError("Unable to bootstrap from ['localhost:9092']")
    said: list[str] = []
    loop = bench.run(
        120, *[away] * 12, acknowledge, before=lambda: said.append(bench.health.reasons().get("kafka", ""))
    )
    assert any(
        "Kafka at localhost:9092" in text and "Unable to bootstrap" in text and "(3 polls wait on disk; polling goes on)" in text
        for text in said
    )  # fmt: skip
    assert max(loop.waits) <= to_kafka.LONGEST_WAIT
    assert bench.waiting() == 0
    assert bench.health.reasons() == {}


def test_a_missing_topic_is_the_operators_and_all_is_sent_when_it_is_there(bench: Bench) -> None:
    bench.keep(0)
    missing = OperatorError("a topic is missing at localhost:9092: crypto-data", remedy="Run `cryptoproxy setup`")
    said: list[str] = []
    bench.run(30, missing, missing, acknowledge, before=lambda: said.append(str(bench.health.reasons())))
    assert any("Run `cryptoproxy setup`" in text for text in said)
    assert bench.waiting() == 0


def test_after_a_failure_one_poll_goes_first_alone(bench: Bench) -> None:
    for number in range(40):
        bench.keep(number)
    refused = kafka_errors.ClusterAuthorizationFailedError("crypto-data")
    bench.run(3, lambda sent: sent.future.fail(refused))
    counts = [len(producer.sent) for producer in bench.producers]
    assert counts[0] > 2
    assert set(counts[1:]) == {2}, "all that was under way is on the topic once more with each failure"
    bench.run(60, acknowledge)
    assert bench.waiting() == 0


def fatal(react: React) -> React:
    """As kafka-python's idempotent producer: after one refusal for its size it gives everything that error."""
    broken = False

    def broken_after(sent: Sent) -> None:
        nonlocal broken
        react(sent)
        broken = broken or sent.future.error is not None
        if broken:
            sent.future.fail(kafka_errors.MessageSizeTooLargeError())

    return broken_after


def test_a_record_that_is_too_large_is_a_dead_letter_and_the_rest_of_its_poll_goes_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    entry = bench.keep(0, "bitcoin", "huge", "ether")
    bench.run(2, refuse_large("huge"))
    (letter,) = bench.one_by_one[0].values(LETTERS)
    assert json.loads(letter)["asset_id"] == "huge"
    sent = next(sent for sent in bench.one_by_one[0].sent if sent.topic == LETTERS)
    assert tuple(name for name, _ in sent.headers) == (*LETTER_HEADERS, SCHEMA_VERSION_HEADER)
    headers = dict(sent.headers)
    assert (headers["dlq-reason"], headers["dlq-topic"]) == (b"too_large", b"crypto-data")
    assert (headers["dlq-partition"], headers["dlq-offset"]) == (b"-1", b"-1")
    assert 0 <= bench.clock.now_ms() - from_iso(headers["dlq-time"].decode()) <= 3_000
    assert b"max.message.bytes" in headers["dlq-error"]
    assert sent.key == b"coingecko:huge:USD"
    assert bench.published == [entry]
    assert bench.metrics.value("poller_dead_letters_total", reason="too_large") == 1
    assert bench.metrics.value("records_published_total", source="coingecko") == 2
    assert "1 of 3 records of coingecko are too large for crypto-data" in caplog.text
    assert bench.health.reasons() == {}


def test_what_only_stood_beside_a_record_that_is_too_large_is_no_dead_letter(bench: Bench) -> None:
    """Neither in its poll nor in those that were under way with it."""
    entries = [
        bench.keep(0, "huge", "bitcoin"),
        bench.keep(1, "bitcoin", "ether"),
        bench.keep(2, "ether", "huge", "bitcoin"),
    ]
    bench.react_one_by_one = refuse_large("huge")
    bench.run(20, *(fatal(refuse_large("huge")) for _ in range(10)))
    letters = [json.loads(value) for producer in bench.one_by_one for value in producer.values(LETTERS)]
    assert [letter["asset_id"] for letter in letters] == ["huge", "huge"]
    assert sorted(bench.published) == entries
    assert all(producer.closed for producer in bench.one_by_one)
    assert bench.waiting() == 0


def test_a_whole_poll_that_is_too_large_is_a_mistake_in_the_limit_and_stays(bench: Bench) -> None:
    entry = bench.keep(0, "bitcoin", "ether")
    bench.run(5, refuse_large("bitcoin", "ether"))
    assert "refuses all 2 records of a poll as too large" in bench.health.reasons()["kafka"]
    assert bench.outbox.oldest("kafka") == [entry]
    assert all(producer.values(LETTERS) == [] for producer in [*bench.producers, *bench.one_by_one])
    bench.run(20, acknowledge)
    assert bench.published == [entry]


def test_a_poll_of_one_record_that_is_too_large_is_no_mistake_in_the_limit(bench: Bench) -> None:
    bench.keep(0, "huge")
    bench.run(2, refuse_large("huge"))
    assert bench.waiting() == 0
    assert len(bench.one_by_one[0].values(LETTERS)) == 1


def test_a_letter_that_its_topic_refuses_for_its_size_goes_without_its_content(bench: Bench) -> None:
    entry = bench.keep(0, "bitcoin", "huge", "ether")

    def refuse(sent: Sent) -> None:
        refuse_large("huge")(sent)
        if sent.topic == LETTERS and b"huge" in sent.value:
            sent.future.error = kafka_errors.MessageSizeTooLargeError()

    bench.run(2, refuse)
    refused, bare = (sent for sent in bench.one_by_one[0].sent if sent.topic == LETTERS)
    found = opened(bare)
    assert (found.value, found.left_out) == (None, len(refused.value))
    assert found.ours["dlq-reason"] == "too_large"
    assert bench.published == [entry]


def test_without_the_dead_letter_topic_nothing_is_dropped_and_the_remedy_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = bench.keep(0, "bitcoin", "huge")
    send = FakeProducer.send

    def without_letters(self: FakeProducer, topic: str, **message: Any) -> FakeFuture:
        if topic == LETTERS:
            raise kafka_errors.KafkaTimeoutError("Failed to update metadata after 10.0 secs.")
        return send(self, topic, **message)

    monkeypatch.setattr(FakeProducer, "send", without_letters)
    bench.run(5, refuse_large("huge"))
    assert "crypto-data.dlq does not take dead letters" in bench.health.reasons()["kafka"]
    assert "cryptoproxy setup" in bench.health.reasons()["kafka"]
    assert bench.outbox.oldest("kafka") == [entry]


def test_a_record_of_another_contract_is_a_dead_letter_and_holds_nothing_up(tmp_path: Path) -> None:
    """As after an update of the program, whose earlier version has kept it."""
    earlier = Bench(tmp_path)
    slot_ms = earlier.clock.now_ms()
    good = encode(record("bitcoin", 1.0, slot_ms, slot_ms))
    keep_poll(earlier.outbox, slot_ms, "coingecko", good + b'\n{"source":"coingecko"}\n')
    earlier.outbox.close()
    bench = Bench(tmp_path)
    bench.run(2, acknowledge)
    bench.outbox.close()
    assert bench.producers[0].values(TOPIC) == [good]
    assert bench.producers[0].values(LETTERS) == [b'{"source":"coingecko"}']
    assert bench.waiting() == 0


def test_a_damaged_poll_is_passed_over(bench: Bench) -> None:
    damaged, good = bench.keep(0), bench.keep(1)
    (bench.outbox.folder / "kafka" / damaged.name).write_bytes(b"cut")
    bench.run(2)
    assert bench.published == [good]
    assert (bench.outbox.folder / "damaged" / f"kafka-{damaged.name}").exists()


def test_an_outbox_that_cannot_be_read_now_is_said_and_nothing_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = bench.keep(0)
    refused = OperatorError("the outbox cannot be read", remedy="Mend it")
    monkeypatch.setattr(bench.outbox, "read", lambda drain, each: (_ for _ in ()).throw(refused))
    bench.run(3)
    assert "cannot be read" in bench.health.reasons()["kafka"]
    assert bench.outbox.oldest("kafka") == [entry]


def test_at_a_stop_what_is_kept_is_still_sent_and_no_producer_counts_as_replaced(bench: Bench) -> None:
    bench.run(1)
    bench.keep(0)
    bench.publisher._sender._producer = bench.producers[0]
    bench.run(0)
    assert bench.waiting() == 0
    assert bench.producers[0].closed
    assert bench.metrics.value("producer_replaced_total") == 0
    assert bench.health.reasons() == {}


def test_a_stop_while_nothing_is_acknowledged_leaves_the_rest_for_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_kafka, "FAREWELL_SECONDS", 0.05)
    bench.keep(0)
    bench.run(2, ignore)
    assert bench.waiting() == 1
    assert bench.producers[0].closed
    assert bench.metrics.value("producer_replaced_total") == 0


def test_with_thousands_of_waiting_polls_all_leave_in_order(bench: Bench) -> None:
    entries = [bench.keep(number, "bitcoin") for number in range(300)]
    bench.run(5)
    assert bench.published == entries


class FakeAdmin:
    def __init__(self, error_code: int) -> None:
        self._error_code = error_code
        self.closed = False

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"name": topics[0], "error_code": self._error_code, "partitions": []}]

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("code", "words"), [(3, "a topic is missing"), (29, "refuses: TopicAuthorizationFailedError")])
def test_before_it_is_written_to_a_topic_is_looked_for(monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    admin = FakeAdmin(code)
    monkeypatch.setattr(kafka_client, "admin", lambda kafka: admin)
    refused = to_kafka.refusal(KAFKA, TOPIC)
    assert isinstance(refused, OperatorError)
    assert words in str(refused)
    assert admin.closed
    monkeypatch.setattr(kafka_client, "admin", lambda kafka: FakeAdmin(0))
    assert to_kafka.refusal(KAFKA, TOPIC) is None


CANDLES = Feed("binance", "candle", "1m")


def keep_candles(bench: Bench, count: int = 1) -> list[Entry]:
    line = CANDLE.codec.encode(CANDLE.example) + b"\n"
    begin_ms = from_iso(CANDLE.example.timestamp)
    return [bench.outbox.keep(CANDLES, line, begin_ms=begin_ms, slot_ms=begin_ms + 63_000) for _ in range(count)]


def test_each_record_goes_to_the_topic_of_its_dataset_and_part_with_its_key_and_headers(bench: Bench) -> None:
    bench.keep(0, "bitcoin")
    keep_candles(bench)
    bench.run(2)
    tickers, candle = bench.producers[0].sent
    assert tickers.topic == TOPIC
    assert (candle.topic, candle.key) == ("crypto.ohlcv.1m", b"binance:BTCUSDT:USDT")
    assert candle.headers == CANDLE.headers
    assert candle.value == CANDLE.codec.encode(CANDLE.example)
    assert bench.metrics.value("records_published_total", source="binance.candle-1m") == 1


def test_a_topic_that_is_not_there_holds_up_its_own_polls_alone_and_goes_on_when_it_is(bench: Bench) -> None:
    bench.refusals["crypto.ohlcv.1m"] = OperatorError("a topic is missing", remedy="Run `cryptoproxy setup`")
    candles = keep_candles(bench, 100)  # more than are ever under way
    poll = bench.keep(0, "bitcoin")
    said: list[str] = []
    bench.run(5, before=lambda: said.append(bench.health.reasons().get("kafka crypto.ohlcv.1m", "")))
    assert bench.published == [poll]
    assert any("Run `cryptoproxy setup` (its polls wait on disk; all others go on)" in text for text in said)
    assert "kafka" not in bench.health.reasons()
    bench.refusals.clear()
    bench.run(20)
    assert bench.published == [poll, *candles]
    assert bench.health.reasons() == {}


def test_a_topic_that_refuses_us_when_written_to_does_not_stop_the_others(bench: Bench) -> None:
    keep_candles(bench)
    poll = bench.keep(0, "bitcoin")

    def refuse(sent: Sent) -> None:
        if sent.topic == TOPIC:
            sent.future.acknowledge()
        else:
            sent.future.fail(kafka_errors.TopicAuthorizationFailedError())

    bench.run(30, refuse)
    assert bench.published == [poll]
    assert "refuses" in bench.health.reasons()["kafka crypto.ohlcv.1m"]


def test_a_letter_about_a_candle_names_its_topic_and_has_its_headers(bench: Bench) -> None:
    keep_candles(bench)

    def refuse_candles(sent: Sent) -> None:
        if sent.topic == "crypto.ohlcv.1m":
            sent.future.fail(kafka_errors.MessageSizeTooLargeError())
        else:
            sent.future.acknowledge()

    bench.react_one_by_one = refuse_candles
    bench.run(5, refuse_candles)
    (sent,) = (each for each in bench.one_by_one[0].sent if each.topic == LETTERS)
    letter = opened(sent)
    assert (letter.ours["dlq-reason"], letter.ours["dlq-topic"]) == ("too_large", "crypto.ohlcv.1m")
    assert letter.headers == CANDLE.headers
    assert bench.waiting() == 0


def test_a_candle_that_an_earlier_run_has_kept_is_checked_by_its_own_contract(bench: Bench, tmp_path: Path) -> None:
    keep_candles(bench)
    bench.outbox.close()
    again = Bench(tmp_path)
    again.run(2)
    (sent,) = again.producers[0].sent
    assert (sent.topic, sent.key) == ("crypto.ohlcv.1m", b"binance:BTCUSDT:USDT")
    again.outbox.close()


def test_the_polls_under_way_are_bounded_by_number_and_bytes_and_grow_again_after_a_failure() -> None:
    flights = InFlight(polls=4, max_bytes=100)

    def flight(number: int, size: int) -> Flight:
        return Flight(kept_entry(number), [b"x" * size], [])

    flights.add(flight(0, 60))
    assert not flights.full
    flights.add(flight(1, 60))
    assert flights.full
    flights.lost()
    assert (len(flights), flights.limit) == (0, 1)
    for number, limit in enumerate((2, 4, 4)):
        each = flight(number, 1)
        flights.add(each)
        assert each.entry in flights
        flights.landed(each)
        assert each.entry not in flights
        assert flights.limit == limit
