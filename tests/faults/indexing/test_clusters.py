"""More than one of a kind: three brokers of which leaders die, an Elasticsearch node that comes and goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptoproxy.engines.cluster import ThreeBrokers, TwoNodes
from cryptoproxy.engines.kafka import Kafka
from tests.conftest import wait_until
from tests.engines import group_coordinator_is_there
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig
from tests.faults.rig import Engines

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeBrokers]:
    with ThreeBrokers(tmp_path_factory.mktemp("three")) as made:
        wait_until(lambda: group_coordinator_is_there(made.bootstrap), what="Kafka's coordinator of groups")
        yield made


def bring_back(broker: Kafka) -> float:
    broker.start()
    broker.wait_ready()
    return time.monotonic()


REPLICATED = {"KAFKA_TOPIC_REPLICATION": "3", "KAFKA_TOPIC_MIN_INSYNC": "2"}


@pytest.fixture
def replicated(engines: Engines, three: ThreeBrokers, rig: IndexerRig, tmp_path: Path) -> Iterator[IndexerRig]:
    """A world on three brokers: each record is on three, and counts when two have it."""
    texts = REPLICATED | {"KAFKA_BROKERS_HOST_PORT": three.bootstrap}
    with IndexerRig(engines, rig.direct.elasticsearch.url, tmp_path / "replicated", **texts) as made:
        made.set_up()
        yield made


def leader(rig: IndexerRig, three: ThreeBrokers, topic: str, partition: int = 0) -> Kafka:
    (described,) = rig.admin.describe_topics([topic])
    number = next(each["leader_id"] for each in described["partitions"] if each["partition_index"] == partition)
    return next(each for each in three.brokers if each.node_id == number)


def test_of_three_brokers_the_leader_is_killed(replicated: IndexerRig, three: ThreeBrokers, report: Report) -> None:
    """`min.insync.replicas=2`: the two others go on by themselves. Each of the three leads something once."""
    rig = replicated
    indexer = rig.start_indexer()
    with rig.feeder.flow(300):
        indexer.wait_indexing()
        killed = leader(rig, three, rig.topic)
        killed.kill()
        since = time.monotonic()
        count = rig.count()
        rig.wait_count(count + 1500)
        seconds = time.monotonic() - since
        bring_back(killed)
    rig.recovered(since)
    report(rig.judged(), seconds)


def test_of_three_brokers_two_are_killed_so_nothing_goes_until_they_are_back(
    replicated: IndexerRig, three: ThreeBrokers, report: Report
) -> None:
    """Fewer than two in sync: nothing can be committed. What was indexed without its commit is known afterwards."""
    rig = replicated
    indexer = rig.start_indexer()
    rig.feeder.feed(500)
    indexer.wait_indexing()
    rig.wait_committed()
    first, second, _ = three.brokers
    with rig.feeder.flow(300):
        first.kill()
        second.kill()
        indexer.wait_reason("Kafka")
        assert indexer.lives()
        first.start()
        second.start()
        first.wait_ready()
        second.wait_ready()
        since = time.monotonic()
    seconds = rig.recovered(since, seconds=240)
    report(rig.judged(), seconds)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with TwoNodes(tmp_path_factory.mktemp("two")) as made:
        yield made


def test_a_data_node_joins_and_leaves(engines: Engines, two: TwoNodes, tmp_path: Path, report: Report) -> None:
    """One replica of each shard: the second node is killed with primaries on it, comes back, and ends in order."""
    with IndexerRig(engines, two.master.endpoint, tmp_path, ES_NUMBER_OF_REPLICAS="1") as rig:
        rig.set_up()
        indexer = rig.start_indexer()

        def green() -> bool:
            return bool(rig.es.cluster.health(index=rig.alias)["status"] == "green")

        with rig.feeder.flow(300):
            indexer.wait_indexing()
            wait_until(green, what="replicas on both nodes")
            two.data.kill()
            since = time.monotonic()
            count = rig.count()
            rig.wait_count(count + 1500)
            seconds = time.monotonic() - since
            two.data.start()
            two.data.wait_ready()
            wait_until(green, what="replicas on both nodes again")
            two.data.stop()
            count = rig.count()
            rig.wait_count(count + 1500)
        rig.recovered(since)
        report(rig.judged(), seconds)
