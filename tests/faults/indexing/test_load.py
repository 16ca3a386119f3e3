"""More comes than goes: a slow Elasticsearch, and one that refuses for real what is too much for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.sandbox import Rule
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_2_s_for_each_bulk_at_ten_times_the_load(rig: IndexerRig, report: Report) -> None:
    """Two bulks of 10 each 2 s are 10 records a second; more than ten times as many come. Memory stays bounded."""
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="slow", path="/_bulk", delay=2.0))
        indexer = rig.start_indexer(BULK_MAX_RECORDS="10")
        indexer.wait_said("indexer started")
        with rig.feeder.flow(400):
            indexer.wait_indexing()
            process = psutil.Process(indexer.pid)
            before, ends, highest = process.memory_info().rss, time.monotonic() + 40, 0
            while time.monotonic() < ends:
                highest = max(highest, process.memory_info().rss)
                assert indexer.lives()
                time.sleep(0.5)  # between two samples of its memory
            assert indexer.metric("lag_records") > 9 * indexer.metric("documents_indexed")
        assert highest < before + 64 * 2**20
        assert indexer.reasons() == {}, "slow is not broken"
        proxy.script.clear("slow")
        since = time.monotonic()
        seconds = rig.recovered(since)
        report(rig.judged(), seconds)


@pytest.fixture
def pressed(rig: IndexerRig, elasticsearch: Elasticsearch) -> Iterator[Elasticsearch]:
    """Room for about one bulk of 200 at a time."""
    elasticsearch.stop()
    elasticsearch.extra_settings["indexing_pressure.memory.limit"] = "150kb"
    try:
        elasticsearch.start()
        elasticsearch.wait_ready()
        yield elasticsearch
    finally:
        elasticsearch.stop()
        del elasticsearch.extra_settings["indexing_pressure.memory.limit"]
        elasticsearch.start()
        elasticsearch.wait_ready()


def test_real_indexing_pressure(rig: IndexerRig, pressed: Elasticsearch, report: Report) -> None:
    since = time.monotonic()
    indexer = rig.start_indexer(BULK_MAX_RECORDS="200", BULK_IN_FLIGHT="8")
    with rig.feeder.flow(800):
        rig.wait_count(5_000, seconds=240)
    seconds = rig.recovered(since, seconds=240)
    stats = rig.es.nodes.stats(metric="indexing_pressure")["nodes"]
    rejected = sum(
        node["indexing_pressure"]["memory"]["total"]["coordinating_rejections"]
        + node["indexing_pressure"]["memory"]["total"]["primary_rejections"]
        for node in stats.values()
    )
    assert rejected > 0, "it was not pressed"
    assert indexer.metric("bulk_retries", kind="transient") > 0
    assert indexer.metric("dead_letters") == 0
    report(rig.judged(seconds=240), seconds)
