"""Kafka, Elasticsearch and S3 for all tests of a worker: started once, when the first test asks for them.

Each test has topics, an alias and a prefix of its own in them. The fault suite and a few others stop, freeze and kill
them, and leave them running and whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines import ports as engine_ports
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import HOST, Ports, free_ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.engines.stack import Endpoints, Memory, Stack
from tests.conftest import wait_until

# Workers start their engines at once, and what one has chosen and not opened yet looks free to the others.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    engine_ports.RANGE = engine_ports.RANGE[
        int(worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    ]

_DISK = "cluster.routing.allocation.disk"
_ELASTICSEARCH = {
    # On, so that a case can bring about the flood stage; only a disk that is really full would do so by itself.
    f"{_DISK}.threshold_enabled": True,
    f"{_DISK}.watermark.low": "64mb",
    f"{_DISK}.watermark.high": "48mb",
    f"{_DISK}.watermark.flood_stage": "32mb",
    "cluster.info.update.interval": "10s",
    # What the indexer sends by default just fits.
    "http.max_content_length": "1mb",
}


@dataclass(frozen=True)
class Shared:
    kafka: Kafka
    elasticsearch: Elasticsearch
    s3: S3
    endpoints: Endpoints
    behind_wire: int
    """A second way into Kafka: it listens on this port, and tells clients that come in there to stay on ``wired``, where
    a test may put a wire that can be cut."""
    wired: int

    def whole(self) -> None:
        """Whatever a case has done to them: all of them run again, and answer."""
        for engine in (self.kafka, self.elasticsearch, self.s3):
            if engine.running:
                engine.resume()
            else:
                engine.start()
        for engine in (self.kafka, self.elasticsearch, self.s3):
            engine.wait_ready()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    *engines, behind_wire, wired = free_ports(len(fields(Ports)) + 2)
    ports = Ports(*engines)
    direct = f"PLAINTEXT://{HOST}:{ports.kafka}"
    stack = Stack(
        tmp_path_factory.mktemp("engines"),
        ports=ports,
        memory=Memory(kafka_mb=384, elasticsearch_mb=768, s3_mb=128),
        kafka_properties={
            "listeners": f"{direct},WIRED://{HOST}:{behind_wire},CONTROLLER://{HOST}:{ports.kafka_controller}",
            "advertised.listeners": f"{direct},WIRED://{HOST}:{wired}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,WIRED:PLAINTEXT",
        },
        elasticsearch_settings=_ELASTICSEARCH,
        die_with_parent=True,
    )
    with stack:
        wait_until(lambda: group_coordinator_is_there(stack.endpoints.kafka), what="Kafka's coordinator of groups")
        yield Shared(stack.kafka, stack.elasticsearch, stack.s3, stack.endpoints, behind_wire, wired)


def group_coordinator_is_there(brokers: str) -> bool:
    """A new broker makes its topic of offsets at the first question for one."""
    admin = kafka_client.admin(Settings.from_texts({"KAFKA_BROKERS_HOST_PORT": brokers}).kafka)
    try:
        admin.list_group_offsets({"nobody": None})
    except kafka_errors.RetriableError:
        return False
    finally:
        admin.close()
    return True
