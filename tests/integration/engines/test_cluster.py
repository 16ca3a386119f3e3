"""Three brokers outlive any one of them; two Elasticsearch nodes outlive the second."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from cryptoproxy.engines import ports
from cryptoproxy.engines.cluster import ThreeBrokers, TwoNodes
from tests.conftest import PATIENCE, wait_until

pytestmark = [
    pytest.mark.long,
    # The client lets go of a socket unclosed when a broker refuses the connection.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _collect_before_the_warning_counts() -> Iterator[None]:
    yield
    gc.collect()


def test_three_brokers_acknowledge_without_one_and_take_it_back(tmp_path: Path) -> None:
    with ThreeBrokers(tmp_path / "brokers") as cluster:
        admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        admin.create_topics([NewTopic("t", 3, 3)])
        admin.close()
        killed, *rest = cluster.brokers
        killed.kill()
        producer = KafkaProducer(bootstrap_servers=[broker.endpoint for broker in rest], acks="all")
        try:
            offsets = [producer.send("t", b"x", partition=partition).get(PATIENCE).offset for partition in (0, 1, 2)]
        finally:
            producer.close()
        assert offsets == [0, 0, 0]
        killed.start()
        killed.wait_ready()
        assert all(broker.probe() is None for broker in cluster.brokers)


def test_the_master_serves_without_the_data_node_and_takes_it_back(tmp_path: Path) -> None:
    with (
        TwoNodes(tmp_path / "nodes") as cluster,
        Elasticsearch(cluster.master.endpoint, request_timeout=PATIENCE) as client,
    ):
        client.indices.create(index="t", settings={"number_of_replicas": 1})
        client.cluster.health(wait_for_status="green", timeout=f"{PATIENCE:.0f}s")
        cluster.data.kill()
        assert client.index(index="t", document={"price": 1.0})["result"] == "created"
        cluster.data.start()
        cluster.data.wait_ready()

        def is_green() -> bool:
            status, body = ports.get(f"{cluster.master.endpoint}/_cluster/health")
            return status == 200 and json.loads(body)["status"] == "green"

        wait_until(is_green, what="a green cluster")
