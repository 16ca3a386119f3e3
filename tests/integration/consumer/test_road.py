"""The ordinary road, and every kind of bad value on it."""

from __future__ import annotations

import pytest

from common.record import encode
from tests.conftest import wait_until
from tests.integration.consumer.answers import with_field
from tests.integration.consumer.conftest import Bench, header
from tests.integration.consumer.records import record


def test_every_record_becomes_one_document(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    indexer = bench.start()
    bench.produce(500)
    bench.wait_committed()
    bench.account()
    assert indexer.why_not_ready() == ""
    assert indexer.metric("records_consumed_total") == indexer.metric("documents_indexed_total") == 500
    assert indexer.metric("duplicates_total") == 0
    wait_until(lambda: f"documents into {bench.index} (lag 0)" in caplog.text)
    assert indexer.metric("lag_records") == 0


def test_what_was_read_before_is_known_and_stored_once(bench: Bench) -> None:
    bench.start()
    bench.produce(60)
    bench.wait_committed()
    bench.stop_all()
    bench.world.texts["KAFKA_CONSUMER_GROUP_ID"] += "-again"
    again = bench.start()
    bench.wait_committed()
    bench.account()
    assert again.metric("duplicates_total") == 60
    assert again.metric("documents_indexed_total") == 0


def test_the_end_by_a_signal_leaves_nothing_finished_uncommitted(bench: Bench) -> None:
    indexer = bench.start()
    bench.produce(2000)
    wait_until(lambda: bench.count() > 0)
    assert indexer.stop() == 0
    committed = sum(bench.committed().values())
    assert committed == bench.count() == indexer.metric("documents_indexed_total")
    bench.start()
    bench.wait_committed()
    bench.account()


GOOD = record(77, slot_ms=1_793_000_040_000)

# By the reason that the dead letter names.
UNREADABLE: dict[str, list[bytes | None]] = {
    "empty": [None, b""],
    "not_utf8": [b"\xff\xfe\x00", encode(GOOD).replace(b"Coin", b"\xc3\x28")],
    "not_json": [b"not JSON", b"{", encode(GOOD).replace(b"78.5", b"NaN"), encode(GOOD) + b"{}"],
    "contract": [
        b"[]",
        b"{}",
        encode(GOOD).replace(b"78.5", b'"78.5"'),
        encode(GOOD).replace(b"78.5", b"0"),
        encode(GOOD).replace(b'"USD"', b'"U/D"'),
        encode(GOOD).replace(b"2026-10-26T", b"2126-10-26T"),
        encode(GOOD).replace(b'"fetch_delay_ms":310', b'"fetch_delay_ms":"soon"'),
    ],
    "too_large": [with_field(b'"padding":"' + b"x" * 70_000 + b'"')],
}

# What a reader of JSON may take for good, and Elasticsearch refuses.
REFUSED: list[bytes | None] = [
    with_field(b'"price":3'),
    with_field(b'"o":{"a":1,"a":2}'),
    with_field(b'"x":' + b"1" * 1001),
    with_field(b'"":1'),
    with_field(b'"_id":"1"'),
    with_field(b'"last_price":1'),
    with_field(b'"market_cap_rank":99999999999'),
    with_field(b'"trades_24h":9223372036854775807000'),
]


def test_every_kind_of_bad_value_becomes_a_dead_letter_between_good_ones(bench: Bench) -> None:
    bench.produce(20, partition=0)
    wanted: dict[int, str] = {}
    for reason, values in UNREADABLE.items():
        wanted |= {each.offset: reason for each in bench.produce_bad(values, record_key=b"\xff\x00key")}
        bench.produce(3, partition=0)
    refused = {each.offset for each in bench.produce_bad(REFUSED, record_key=None)}
    versions: list[bytes] = [b"2", b"", b"one"]
    for version in versions:
        bench.produce(2, partition=0)
        sent = bench.produce_bad([encode(GOOD)], headers=[("schema-version", version), ("trace", b"\x00\xff")])
        wanted |= {each.offset: "schema_version" for each in sent}
    bench.produce(20, partition=0)
    indexer = bench.start()
    bench.wait_committed()
    bench.account()
    letters = {int(header(letter, "dlq-offset")): letter for letter in bench.dead_letters()}
    reasons = {offset: header(letter, "dlq-reason") for offset, letter in letters.items()}
    assert {reasons.pop(offset) for offset in refused} <= {"contract", "document_parsing_exception"}
    assert reasons == wanted
    for letter in letters.values():
        assert header(letter, "dlq-topic") == bench.topic
        assert header(letter, "dlq-partition") == "0"
        assert header(letter, "dlq-error")
        assert header(letter, "dlq-time").endswith("Z")
    assert letters[max(wanted)].headers[-2:] == [("schema-version", b"one"), ("trace", b"\x00\xff")]
    assert indexer.metric("dead_letters_total", reason="schema_version") == 3
    assert indexer.why_not_ready() == ""


def test_a_nesting_deeper_than_elasticsearch_takes_is_poison_and_a_legal_one_is_not(bench: Bench) -> None:
    deep = bench.produce_bad([with_field(b'"x":' + b"[" * 1001 + b"]" * 1001)])
    legal = encode(record(99, slot_ms=bench.slot_ms))[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}"
    bench.producer.send(bench.topic, value=legal, partition=0).get(10)
    bench.good[f"coingecko:coin-99:USD:{bench.slot_ms}"] = legal
    bench.start()
    bench.wait_committed()
    bench.account()
    assert len(bench.dead_letters()) == len(deep)
