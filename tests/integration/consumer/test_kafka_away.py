"""Kafka away: not ready though a poll says nothing, the end within its time, and then it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from common import topics
from common.clients import kafka as kafka_client
from engines.engine import Options
from engines.kafka import Kafka
from engines.ports import free_ports
from tests.integration.conftest import World
from tests.integration.consumer.conftest import Bench


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker of our own, which may stop answering without harm to the other tests."""
    port, controller_port = free_ports(2)
    made = Kafka(
        tmp_path_factory.mktemp("kafka"),
        port=port,
        controller_port=controller_port,
        heap_mb=256,
        options=Options(die_with_parent=True),
    )
    made.start()
    made.wait_ready()
    yield made
    made.stop()


@pytest.fixture
def world(world: World, broker: Kafka) -> World:
    """With that broker in the place of the common one."""
    world.texts["KAFKA_BROKERS_HOST_PORT"] = broker.endpoint
    admin = kafka_client.admin(world.settings.kafka)
    list(topics.set_up(admin, world.settings.kafka))
    admin.close()
    return world


def test_brokers_that_do_not_answer_make_it_not_ready_until_they_do(bench: Bench, broker: Kafka) -> None:
    running = bench.start()
    bench.produce(50)
    bench.wait_committed()
    broker.suspend()
    running.wait_not_ready("kafka", seconds=40)
    assert running.lives()
    broker.resume()
    running.wait_ready(seconds=60)
    bench.produce(50)
    bench.wait_committed(seconds=60)
    bench.account()


def test_with_kafka_away_it_ends_within_its_time(bench: Bench, broker: Kafka) -> None:
    running = bench.start()
    bench.produce(50)
    bench.wait_committed()
    broker.suspend()
    began = time.monotonic()
    try:
        assert running.stop() == 0
    finally:
        broker.resume()
    assert time.monotonic() - began < 9
