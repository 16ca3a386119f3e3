"""One Elasticsearch beside the suite's Kafka and S3. A case may ill-treat it, and leaves it running and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.stack import bring_up, take_down
from tests.conftest import wait_until
from tests.faults.indexing.rig import IndexerRig
from tests.faults.rig import Engines
from tests.integration.conftest import group_coordinator_is_there

_DISK = "cluster.routing.allocation.disk"
SETTINGS = {
    # On, so that a case can bring about the flood stage; only a disk that is really full would do so by itself.
    f"{_DISK}.threshold_enabled": True,
    f"{_DISK}.watermark.low": "64mb",
    f"{_DISK}.watermark.high": "48mb",
    f"{_DISK}.watermark.flood_stage": "32mb",
    "cluster.info.update.interval": "10s",
    # What the indexer sends by default just fits.
    "http.max_content_length": "1mb",
}


@pytest.fixture(scope="session")
def _elasticsearch(tmp_path_factory: pytest.TempPathFactory, engines: Engines) -> Iterator[Elasticsearch]:
    port, transport_port = free_ports(2)
    made = Elasticsearch(
        tmp_path_factory.mktemp("faults-elasticsearch"),
        port=port,
        transport_port=transport_port,
        heap_mb=768,
        settings=SETTINGS,
        options=Options(die_with_parent=True),
    )
    bring_up((made,))
    wait_until(lambda: group_coordinator_is_there(engines.kafka.endpoint), what="Kafka's coordinator of groups")
    yield made
    take_down((made,))


@pytest.fixture
def elasticsearch(_elasticsearch: Elasticsearch) -> Iterator[Elasticsearch]:
    """For each case that ill-treats it: runs again afterwards, and answers."""
    yield _elasticsearch
    if _elasticsearch.running:
        _elasticsearch.resume()
    else:
        _elasticsearch.start()
    _elasticsearch.wait_ready()


@pytest.fixture
def rig(engines: Engines, _elasticsearch: Elasticsearch, tmp_path: Path) -> Iterator[IndexerRig]:
    """A world of its own, set up."""
    with IndexerRig(engines, _elasticsearch.endpoint, tmp_path) as made:
        made.set_up()
        yield made
