"""One Elasticsearch beside the suite's Kafka and S3. A case may ill-treat it, and leaves it running and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptoproxy.engines.elasticsearch import Elasticsearch
from tests.engines import Shared
from tests.faults.indexing.rig import IndexerRig
from tests.faults.rig import Engines


@pytest.fixture
def elasticsearch(shared: Shared) -> Iterator[Elasticsearch]:
    """For each case that ill-treats it: runs again afterwards, and answers."""
    yield shared.elasticsearch
    shared.whole()


@pytest.fixture
def rig(engines: Engines, shared: Shared, tmp_path: Path) -> Iterator[IndexerRig]:
    """A world of its own, set up."""
    with IndexerRig(engines, shared.elasticsearch.endpoint, tmp_path) as made:
        made.set_up()
        yield made
