"""Whatever other clients put on the topic: the indexer goes on, and each record is a document or a letter.

Written by librdkafka, which takes what kafka-python's producer refuses to write.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import confluent_kafka
import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.record.default_records import DefaultRecordBase

from cryptoproxy.cli.main import cli
from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.consumer.letters.reader import Letter, read_letters
from cryptoproxy.datasets import TICKER, document_id, encode, key
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench, Running
from tests.integration.consumer.records import record

SECONDS = 120
NOTHING = os.devnull
"""As settings file: a developer's own .env shall not count."""


class Writer:
    """Another team's producer."""

    def __init__(self, bench: Bench, **options: Any) -> None:
        self._bench = bench
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": bench.settings.kafka.brokers[0], "linger.ms": 100} | options
        )

    def send(self, record_key: bytes | None, value: bytes | None, *, partition: int = 0, headers: Any = None) -> None:
        failed: list[Any] = []
        self.producer.produce(
            self._bench.topic, key=record_key, value=value, partition=partition, headers=headers,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )  # fmt: skip
        assert self.producer.flush(SECONDS) == 0
        assert failed == []

    def good(self, number: int, *, partition: int = 0, headers: Any = None) -> None:
        made = record(number, slot_ms=self._bench.slot_ms)
        self.send(key(made).encode(), encode(made), partition=partition, headers=headers)
        self._bench.good[document_id(made)] = encode(made)


def letters(bench: Bench) -> list[Letter]:
    return list(read_letters(bench.settings.kafka))


def wait_without_lag(bench: Bench, indexer: Running) -> None:
    """Until the group has committed the very end of each partition."""
    bench.wait_committed(seconds=SECONDS)
    wait_until(lambda: indexer.metric("lag_records") == 0, seconds=SECONDS, what="no lag")
    assert indexer.exit_code is None
    indexer.wait_ready(seconds=SECONDS)


def shown(bench: Bench, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--env-file", NOTHING, *words], env=bench.world.texts, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_records_that_are_hard_to_write_again_are_letters_and_the_others_go_on(bench: Bench) -> None:
    writer = Writer(bench)
    writer.good(0)
    writer.send(b"x", b"not json", headers=[("trace-id", None), ("trace-id", b"")])
    writer.send(None, None)
    writer.send(None, None, headers=[("trace-id", None)])
    writer.send(b"x", None)
    writer.good(1)
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    assert bench.documents().keys() == bench.good.keys()
    assert [(each.place, each.original.key, each.original.value, each.original.headers) for each in letters(bench)] == [
        ("0:1", b"x", b"not json", [("trace-id", None), ("trace-id", b"")]),
        ("0:2", None, None, []),
        ("0:3", None, None, [("trace-id", None)]),
        ("0:4", b"x", None, []),
    ]
    assert "4 dead letters" in shown(bench, "dead-letters", "list")
    assert "trace-id: None" in shown(bench, "dead-letters", "show", "0:1")
    assert len(shown(bench, "tail", "--from-beginning", "-n", "6").splitlines()) == 6


class Name(str):
    """kafka-python encodes names of headers itself; to a broker they are bytes."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfetrace"


def test_a_name_of_a_header_that_is_no_utf_8_stops_nothing(bench: Bench) -> None:
    made = record(0, slot_ms=bench.slot_ms)
    odd = [(Name("x"), b"1")]
    bench.producer.send(bench.topic, key=key(made).encode(), value=encode(made), partition=0, headers=odd).get(SECONDS)
    bench.producer.send(bench.topic, key=b"x", value=b"not json", partition=0, headers=odd).get(SECONDS)
    bench.good[document_id(made)] = encode(made)
    bench.produce(3)
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    assert bench.documents().keys() == bench.good.keys()
    (letter,) = letters(bench)
    assert letter.original.headers == [("\udcff\udcfetrace", b"1")]
    assert "trace: b'1'" in shown(bench, "dead-letters", "show", letter.place)
    assert len(shown(bench, "tail", "--from-beginning", "--show-key", "-n", "5").splitlines()) == 5


def test_every_compression_is_read(bench: Bench) -> None:
    numbers = iter(range(1000))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        writer = Writer(bench, **{"compression.type": codec})
        for _ in range(5):
            writer.good(next(numbers))
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    assert bench.documents().keys() == bench.good.keys()


@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_topics_that_the_brokers_compress_otherwise_are_read_by_all_parts(bench: Bench, codec: str) -> None:
    kafka = bench.settings.kafka
    for name in topics.wanted(kafka, (TICKER,)):
        bench.admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {"compression.type": codec})], incremental=True
        )
    bench.produce(50)
    bench.produce_bad([b"not json " * 100])
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    bench.account()
    assert f"✓ Kafka: compression of the topics: {codec}; record written, read and deleted" in shown(
        bench, "check", "--no-upstreams"
    )
    assert f"compression of the topics: {codec}" in shown(bench, "setup", "--only", "topics")
    assert codec_of_last_batch(bench) == {"zstd": 4, "snappy": 2}[codec]


def codec_of_last_batch(bench: Bench) -> int:
    """As the broker has it, so that this test is about what it says."""
    found: list[int] = []
    consumer = kafka_client.consumer(bench.settings.kafka, bench.topic, group_id=None)
    try:
        parse = consumer._fetcher._parse_fetched_data

        def look(fetch: Any) -> Any:
            content = bytes(fetch.partition_data.records or b"")
            if content:
                (attributes,) = struct.unpack_from(">h", content, DefaultRecordBase.ATTRIBUTES_OFFSET)
                found.append(attributes & DefaultRecordBase.CODEC_MASK)
            return parse(fetch)

        consumer._fetcher._parse_fetched_data = look
        wait_until(lambda: consumer.poll(timeout_ms=200) or found, seconds=SECONDS)
        return found[-1]
    finally:
        consumer.close()


@pytest.mark.parametrize("megabytes", [70, 200])
def test_a_record_too_large_for_any_letter_is_a_letter_without_its_content(bench: Bench, megabytes: int) -> None:
    writer = Writer(
        bench,
        **{"compression.type": "gzip", "message.max.bytes": 400_000_000, "queue.buffering.max.kbytes": 800_000},
    )
    writer.good(0)
    writer.send(b"big", b"a" * (megabytes << 20))
    writer.good(1)
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    assert bench.documents().keys() == bench.good.keys()
    (letter,) = letters(bench)
    assert (letter.place, letter.reason, letter.original.value) == ("0:1", "too_large", None)
    assert letter.left_out == (70 << 20) + 3 if megabytes == 70 else letter.left_out == -1
    assert "not in the letter" in shown(bench, "dead-letters", "show", "0:1")


def test_records_of_an_aborted_transaction_are_never_indexed_and_its_marks_are_no_lag(bench: Bench) -> None:
    writer = Writer(bench, **{"transactional.id": bench.topic})
    writer.producer.init_transactions(SECONDS)
    for number in range(3):
        writer.producer.begin_transaction()
        if number == 1:
            for lost in range(100, 105):
                made = record(lost, slot_ms=bench.slot_ms)
                writer.send(key(made).encode(), encode(made))
            writer.send(b"x", b"not json, and taken back")
            writer.producer.abort_transaction(SECONDS)
        else:
            writer.good(number)
            writer.producer.commit_transaction(SECONDS)
    indexer = bench.start()
    wait_without_lag(bench, indexer)
    assert bench.documents().keys() == bench.good.keys()
    assert letters(bench) == []
    assert indexer.metric("offset_gap_records_total") == 0
    assert len(shown(bench, "tail", "--from-beginning", "-n", "2").splitlines()) == 2
    writer.producer.begin_transaction()
    writer.send(b"x", b"never")
    writer.producer.abort_transaction(SECONDS)
    wait_without_lag(bench, indexer)


def test_what_compaction_took_is_a_counted_gap_that_is_said(bench: Bench) -> None:
    """And set-up and check refuse such a topic."""
    compacted = {
        "cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "1000",
    }  # fmt: skip
    bench.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, bench.topic, compacted)], incremental=True)
    for slot in range(30):
        made = record(0, slot_ms=bench.slot_ms + slot * 60_000)
        bench.producer.send(bench.topic, key=key(made).encode(), value=encode(made), partition=0).get(SECONDS)

    def cleaned() -> bool:
        """The last segment never is; it is closed by the next record, of a key of its own."""
        made = record(1 + len(bench.good), slot_ms=bench.slot_ms)
        bench.good[document_id(made)] = b""
        bench.producer.send(bench.topic, key=key(made).encode(), value=encode(made), partition=0).get(SECONDS)
        return len(left(bench)) < len(bench.good) + 15

    wait_until(cleaned, seconds=SECONDS, what="the topic is compacted")
    there = left(bench)
    indexer = bench.start()
    said = indexer.wait_not_ready("missing", seconds=SECONDS)
    assert f"records of {bench.topic} partition 0" in said
    assert "cleanup.policy" in said
    wait_until(lambda: bench.count() >= len(there) - 5, seconds=SECONDS)
    assert indexer.metric("offset_gap_records_total") >= 15
    for command in (["setup", "--only", "topics"], ["check", "--no-upstreams"]):
        done = CliRunner().invoke(cli, ["--env-file", NOTHING, *command], env=bench.world.texts)
        assert done.exit_code != 0
        assert "cleanup.policy=compact" in done.output + str(done.exception)


def left(bench: Bench) -> list[int]:
    """The offsets that are still there."""
    consumer = kafka_client.consumer(bench.settings.kafka, bench.topic, group_id=None)
    try:
        found: list[int] = []
        (end,) = [offset for number, offset in bench.ends().items() if number == 0]

        def more() -> bool:
            for records in consumer.poll(timeout_ms=200).values():
                found.extend(each.offset for each in records)
            return bool(found) and found[-1] >= end - 1

        wait_until(more, seconds=SECONDS)
        return found
    finally:
        consumer.close()
