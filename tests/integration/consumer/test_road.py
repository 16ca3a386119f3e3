"""The ordinary road. What is bad on it: tests/faults/indexing/test_values.py."""

from __future__ import annotations

import pytest

from cryptoproxy.datasets import encode
from tests.conftest import PATIENCE, wait_until
from tests.integration.consumer.answers import with_field
from tests.integration.consumer.conftest import Bench
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


def test_compressed_requests_are_answered_line_by_line_as_well(bench: Bench) -> None:
    deep = bench.produce_bad([with_field(b'"x":' + b"[" * 1001 + b"]" * 1001)])
    bench.produce(300)
    bench.start(BULK_COMPRESS="true")
    bench.wait_committed()
    bench.account()
    assert len(bench.dead_letters()) == len(deep)


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


def test_a_nesting_deeper_than_elasticsearch_takes_is_poison_and_a_legal_one_is_not(bench: Bench) -> None:
    deep = bench.produce_bad([with_field(b'"x":' + b"[" * 1001 + b"]" * 1001)])
    legal = encode(record(99, slot_ms=bench.slot_ms))[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}"
    bench.producer.send(bench.topic, value=legal, partition=0).get(PATIENCE)
    bench.good[f"coingecko:coin-99:USD:{bench.slot_ms}"] = legal
    bench.start()
    bench.wait_committed()
    bench.account()
    assert len(bench.dead_letters()) == len(deep)
