"""Elasticsearch is absent, killed, frozen, flooded."""

from __future__ import annotations

import time

import pytest

from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.sandbox import Rule
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig


def start(elasticsearch: Elasticsearch) -> float:
    """Starts it again; when it answered."""
    elasticsearch.start()
    elasticsearch.wait_ready()
    return time.monotonic()


def test_killed_in_a_bulk(rig: IndexerRig, elasticsearch: Elasticsearch, report: Report) -> None:
    """SIGKILL between request and answer: whether it has written the documents, nobody knows."""
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="held", path="/_bulk", nth=3, delay=1.0))
        indexer = rig.start_indexer(BULK_MAX_RECORDS="200")
        with rig.feeder.flow():
            assert proxy.script.wait_fired(1, "held", timeout=180)
            elasticsearch.kill()
            indexer.wait_reason("does not answer")
        assert indexer.lives()
        since = start(elasticsearch)
        seconds = rig.recovered(since)
        assert indexer.metric("offset_commits", outcome="failed") == 0
        report(rig.judged(), seconds)


@pytest.mark.long
def test_absent_at_the_start(rig: IndexerRig, elasticsearch: Elasticsearch, report: Report) -> None:
    """The whole road: the poller does not wait for the indexer."""
    elasticsearch.stop()
    poller, indexer = rig.start(), rig.start_indexer()
    indexer.wait_reason("does not answer")
    poller.wait_polls(5)
    assert indexer.metric("documents_indexed") == 0
    assert indexer.lives()
    since = start(elasticsearch)
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_frozen_for_90_s(rig: IndexerRig, elasticsearch: Elasticsearch, report: Report) -> None:
    indexer = rig.start_indexer()
    with rig.feeder.flow(100):
        indexer.wait_indexing()
        elasticsearch.suspend()
        ends = time.monotonic() + 90
        indexer.wait_reason("does not answer")
        wait_until(lambda: time.monotonic() > ends, what="90 s")
        assert indexer.lives()
        elasticsearch.resume()
        since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


WATERMARKS = [f"cluster.routing.allocation.disk.watermark.{name}" for name in ("low", "high", "flood_stage")]


@pytest.mark.timeout(300)
def test_the_flood_stage_by_watermarks(rig: IndexerRig, elasticsearch: Elasticsearch, report: Report) -> None:
    """Elasticsearch blocks the index by itself as long as its disk is too full, and lifts the block by itself."""
    indexer = rig.start_indexer()
    rig.feeder.feed(100)
    rig.wait_committed()
    rig.es.cluster.put_settings(persistent=dict.fromkeys(WATERMARKS, "1%"))
    try:
        wait_until(
            lambda: "read_only_allow_delete" in str(rig.es.indices.get_settings(index=rig.index)),
            what="the flood stage",
        )
        rig.feeder.feed(100)
        indexer.wait_reason("429", "cluster_block_exception")
        assert rig.lag() == 100
    finally:
        rig.es.cluster.put_settings(persistent=dict.fromkeys(WATERMARKS))
    since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)
