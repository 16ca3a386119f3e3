"""Offsets that are out of range, and topics that are not what they were: said loudly, never silently to the end."""

from __future__ import annotations

import pytest

from cryptoproxy.common import topics
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench


def test_a_group_that_is_set_to_latest_begins_at_the_end_once_and_misses_nothing_after_that(bench: Bench) -> None:
    bench.produce(30)
    bench.good.clear()
    bench.slot_ms += 3_600_000
    running = bench.start(KAFKA_OFFSET_RESET="latest")
    bench.wait_committed()
    assert bench.count() == 0
    running.stop()
    bench.produce(20)
    bench.start(KAFKA_OFFSET_RESET="latest")
    bench.wait_committed()
    bench.account()


def test_a_topic_made_again_is_read_from_its_beginning(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """As many records as of the old one: a position of the old topic is the end of the new one."""
    running = bench.start()
    bench.produce(40, partition=0)
    bench.wait_committed()
    bench.admin.delete_topics([bench.topic])
    wait_until(lambda: bench.topic not in {each["name"] for each in bench.admin.describe_topics()})
    list(topics.set_up(bench.admin, bench.settings.kafka))
    bench.renew_producer()
    bench.produce(40, partition=0)
    wait_until(lambda: bench.count() == 80, what="all records of both topics")
    bench.wait_committed()
    bench.account()
    running.wait_ready()
