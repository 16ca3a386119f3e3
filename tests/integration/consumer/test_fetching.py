"""A backlog of one partition is read at full pace, whatever the others have; and reading begins without a detour."""

from __future__ import annotations

import secrets

from kafka import TopicPartition

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.fetching import fetch_without_waiting_for_others
from cryptoproxy.consumer.member import know_the_topic_before_joining
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench

RECORDS = 10_000
WAIT_MS = 300_000
"""For new records: longer than this test may take, if only one of the fetches waited for the other partitions."""


def test_partitions_with_nothing_new_do_not_hold_up_one_with_a_backlog(bench: Bench) -> None:
    sent = [  # what cannot be compressed, so that it takes many fetches
        bench.producer.send(bench.topic, value=secrets.token_bytes(250), partition=0) for _ in range(RECORDS)
    ]
    for future in sent:
        future.get(180)
    consumer = kafka_client.consumer(
        bench.settings.kafka, group_id=None, max_poll_records=100, max_partition_fetch_bytes=256 * 1024,
        fetch_max_wait_ms=WAIT_MS, request_timeout_ms=WAIT_MS + 60_000,  # which must be longer
    )  # fmt: skip
    fetch_without_waiting_for_others(consumer)
    try:
        partitions = [TopicPartition(bench.topic, each) for each in consumer.partitions_for_topic(bench.topic)]
        assert len(partitions) > 1
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        read = 0

        def all_are_read() -> bool:
            nonlocal read
            read += sum(map(len, consumer.poll(timeout_ms=1_000).values()))
            return read >= RECORDS

        wait_until(all_are_read, what="the whole backlog")
        assert read == RECORDS
        # And with nothing buffered it waits again, so that an idle indexer asks seldom.
        assert not consumer.poll(timeout_ms=100)
        assert consumer._fetcher.config["fetch_max_wait_ms"] == WAIT_MS
    finally:
        consumer.close()


def test_a_new_member_joins_its_group_once(bench: Bench) -> None:
    consumer = kafka_client.consumer(bench.settings.kafka, group_id=f"{bench.topic}-once")
    backoff_ms = consumer._cluster.config["retry_backoff_ms"]
    know_the_topic_before_joining(consumer)
    bench.producer.send(bench.topic, value=b"1").get(180)
    try:
        assert consumer.partitions_for_topic(bench.topic)
        consumer.subscribe([bench.topic])
        assert consumer.poll(
            timeout_ms=180_000
        )  # a short one may end between two steps of the join, and begins it anew
        wait_until(lambda: bench.topic in consumer._coordinator._metadata_snapshot, what="the topic's metadata")
        assert not consumer._coordinator.need_rejoin()
        assert consumer._cluster.config["retry_backoff_ms"] == backoff_ms
    finally:
        consumer.close()
