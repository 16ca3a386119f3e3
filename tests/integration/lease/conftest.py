"""The shared broker with its second way in, which can be cut; a topic for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import HOST
from tests.engines import Shared
from tests.integration.lease.pollers import Pollers
from tests.integration.lease.wire import Wire


@dataclass(frozen=True)
class Broker:
    kafka: Kafka
    wire: Wire
    wired: str
    """The address that leads over the wire; clients that begin there stay there."""


@pytest.fixture(scope="package")
def broker(shared: Shared) -> Iterator[Broker]:
    wire = Wire(shared.wired, shared.behind_wire)
    yield Broker(shared.kafka, wire, f"{HOST}:{shared.wired}")
    wire.close()


_numbers = itertools.count(1)


@pytest.fixture
def make_topic(broker: Broker) -> Callable[[str], None]:
    def make(name: str) -> None:
        admin = KafkaAdminClient(bootstrap_servers=broker.kafka.endpoint)
        try:
            admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        finally:
            admin.close()

    return make


@pytest.fixture
def pollers(broker: Broker, make_topic: Callable[[str], None], tmp_path: Path) -> Iterator[Pollers]:
    topic = f"crypto-{next(_numbers)}"
    make_topic(f"{topic}.lease")
    with Pollers(tmp_path, broker.kafka.endpoint, topic) as pollers:
        yield pollers
