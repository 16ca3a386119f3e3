"""Elasticsearch answers oddly, refuses, or its answer is lost. Scripted in a proxy before the real server, but for the
size limit, the write block and the document that it refuses, which are its own."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from cryptoproxy.sandbox import FaultProxy, Rule
from tests.faults.conftest import Report
from tests.faults.indexing.feeder import record
from tests.faults.indexing.rig import IndexerRig


def bulks(proxy: FaultProxy) -> list[list[int]]:
    """The statuses of each bulk request's items, as they were answered."""
    assert proxy.ledger is not None
    return [
        [next(iter(item.values()))["status"] for item in json.loads(entry.body)["items"]]
        for entry in proxy.ledger.entries()
        if entry.target.startswith("/_bulk") and entry.status == 200 and entry.body
    ]


def refuse_the_seventh(body: bytes) -> bytes:
    answer: dict[str, Any] = json.loads(body)
    error = {"type": "es_rejected_execution_exception", "reason": "rejected execution"}
    answer["items"][6]["create"] = {"status": 429, "error": error}
    return json.dumps(answer).encode()


def test_429_for_the_whole_request(rig: IndexerRig, report: Report) -> None:
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="busy", path="/_bulk", last=3, status=429))
        rig.feeder.feed(500, partition=0)
        indexer = rig.start_indexer()
        assert proxy.script.wait_fired(3, "busy", timeout=180)
        since = time.monotonic()
        seconds = rig.recovered(since)
        assert indexer.metric("bulk_retries", kind="transient") == 3
        report(rig.judged(), seconds)


def test_429_for_one_of_500_items(rig: IndexerRig, report: Report) -> None:
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="busy", path="/_bulk", nth=1, rewrite=refuse_the_seventh))
        rig.feeder.feed(500, partition=0)
        indexer = rig.start_indexer(BULK_MAX_RECORDS="500")
        assert proxy.script.wait_fired(1, "busy", timeout=180)
        seconds = rig.recovered(time.monotonic())
        sent = bulks(proxy)
        assert [(len(each), each.count(429)) for each in sent if len(each) > 1] == [(500, 1)]
        assert [409] in sent, "only the refused one is sent again; it had been written after all"
        assert indexer.metric("duplicates") == 1
        report(rig.judged(), seconds)


@pytest.mark.parametrize("how", ["lost", "cut", "one item less", "html"])
def test_the_answer_after_the_write_is(rig: IndexerRig, report: Report, how: str) -> None:
    rule = {
        "lost": {"lose_answer": True},
        "cut": {"cut_after": 200},
        "one item less": {"rewrite": lambda body: json.dumps(json.loads(body) | {"items": json.loads(body)["items"][1:]}).encode()},
        "html": {"rewrite": "html"},
    }[how]  # fmt: skip
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="odd", path="/_bulk", last=2, **rule))
        rig.feeder.feed(200, partition=0)
        indexer = rig.start_indexer()
        assert proxy.script.wait_fired(2, "odd", timeout=180)
        seconds = rig.recovered(time.monotonic())
        assert indexer.metric("duplicates") == 200, "never taken for success, never stored twice"
        report(rig.judged(), seconds)


def test_a_document_that_it_refuses_in_the_middle_of_a_bulk(rig: IndexerRig, report: Report) -> None:
    """Legal JSON by our contract, but Elasticsearch knows ``last_price`` as an alias of a field: 400 for this item."""
    rig.feeder.feed(250, partition=0)
    good = next(iter(rig.feeder.fed.values()))
    rig.feeder.feed_poison([good.replace(b"coin-0", b"coin-x")[:-1] + b',"last_price":1}'])
    rig.feeder.feed(249, partition=0)
    since = time.monotonic()
    indexer = rig.start_indexer(BULK_MAX_RECORDS="500")
    seconds = rig.recovered(since)
    assert indexer.metric("dead_letters", reason="document_parsing_exception") == 1
    report(rig.judged(), seconds)


def test_a_bulk_above_its_size_limit_is_halved(rig: IndexerRig, report: Report) -> None:
    """`http.max_content_length` is 1 MB, the indexer set to send four."""
    rig.feeder.feed(8000, partition=0)
    since = time.monotonic()
    indexer = rig.start_indexer(BULK_MAX_RECORDS="8000", BULK_MAX_SIZE="4MiB")
    seconds = rig.recovered(since)
    assert indexer.metric("bulk_retries", kind="size") >= 1
    assert indexer.metric("bulk_retries") == indexer.metric("bulk_retries", kind="size")
    report(rig.judged(), seconds)


def test_a_write_block(rig: IndexerRig, report: Report) -> None:
    indexer = rig.start_indexer()
    rig.feeder.feed(100)
    rig.wait_committed()
    rig.es.indices.put_settings(index=rig.index, settings={"index.blocks.write": True})
    rig.feeder.feed(100)
    indexer.wait_reason("Take the write block from the index")
    assert indexer.lives()
    assert rig.lag() == 100
    rig.es.indices.put_settings(index=rig.index, settings={"index.blocks.write": None})
    report(rig.judged(), rig.recovered(time.monotonic()))


def test_a_closed_index_is_not_poison(rig: IndexerRig, report: Report) -> None:
    indexer = rig.start_indexer(BULK_MAX_RECORDS="10")
    rig.feeder.feed(100)
    rig.wait_committed()
    rig.es.indices.close(index=rig.index)
    rig.feeder.feed(100)
    indexer.wait_reason("Open the index")
    indexer.wait_metric("indexer_paused")
    assert rig.lag() == 100
    rig.es.indices.open(index=rig.index)
    report(rig.judged(), rig.recovered(time.monotonic()))


def test_late_and_out_of_order_records_land_in_the_index_of_their_own_month(rig: IndexerRig, report: Report) -> None:
    now_ms = round(time.time()) * 1000
    since = time.monotonic()
    rig.start_indexer()
    for days in (0, 40, 3, 95, 1, 40, 0):
        rig.feeder.feed(60, slot_ms=now_ms - 3_600_000 - days * 86_400_000)
    rig.feeder.feed_records([record(7, slot_ms=now_ms - days * 86_400_000) for days in (200, 2, 201, 1)])
    seconds = rig.recovered(since)
    for name, found in rig.es.search(index=rig.alias, size=10_000)["hits"].items():
        for hit in found if name == "hits" else ():
            assert hit["_index"] == f"{rig.alias}-{hit['_source']['timestamp'][:7].replace('-', '.')}.01"
    report(rig.judged(), seconds)
