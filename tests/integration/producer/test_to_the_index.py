"""The whole road under trouble: poller, topic, indexer; the judge compares the documents, too."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.judge import Case, judge
from tests.faults.process import ROOT, PollerProcess
from tests.integration.conftest import World


@pytest.fixture
def indexer(world: World, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp_path / "consumer.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "cryptoproxy.consumer"],
            env=child_environment(world.texts) | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
        yield running
        running.terminate()
        running.wait(180)


def documents(world: World) -> dict[str, Any]:
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    try:
        client.indices.refresh(index=settings.alias)
        hits = client.search(index=settings.alias, size=10_000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}
    finally:
        client.close()


def test_killed_and_started_again_nothing_is_missing_foreign_or_doubled_in_topic_lake_and_index(
    world: World, upstream: Sandbox, tmp_path: Path, indexer: subprocess.Popen[bytes]
) -> None:
    alone = {"TEST_ALONE": "1"}
    killed_ms: list[int] = []
    witnessed: set[tuple[str, int]] = set()
    outbox = Path(world.texts["OUTBOX_DIR"])
    killed: list[PollerProcess] = []
    for number in range(3):
        poller = PollerProcess(f"poller-{number}", tmp_path, world.texts, alone)
        killed.append(poller)
        try:
            poller.wait_polls(2)
        finally:
            poller.kill()
            poller.close()
        killed_ms.append(upstream.clock.now_ms())
        witnessed |= evidence.kept_slots(outbox)
    last = PollerProcess("last", tmp_path, world.texts, alone)
    try:
        last.wait_polls(2)
        upstream.pause()
        wait_until(lambda: not any(evidence.waiting(outbox).values()), what="an empty outbox")
        found = evidence.on_topic(world.settings)
        ids = {evidence.identity(record) for slot in evidence.slots_of(each.value for each in found).values()
               for record in slot.values()}  # fmt: skip
        wait_until(lambda: documents(world).keys() == ids, what="all records in the index")
        case = Case(
            served=upstream.ledger.entries(),
            topic=found,
            lake=evidence.by_readers_rule(
                world.settings, {slot for _, slot in evidence.slots_of(each.value for each in found)}
            ),
            objects=evidence.in_lake(world.settings),
            witnessed=witnessed,
            missed=sum((each.missed() for each in (*killed, last)), Counter()),
            killed_ms=killed_ms,
            documents=documents(world),
        )
        verdict = judge(case).require()
        assert verdict.polls >= 8
    finally:
        last.signal(signal.SIGTERM)
        last.close()


def test_s3_away_until_its_room_is_full_stops_neither_polling_nor_the_topic(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    """What was accepted for S3 until then is in the lake afterwards, and on the topic is all of it."""
    alone, outbox = {"TEST_ALONE": "1"}, Path(world.texts["OUTBOX_DIR"])
    (nobody,) = free_ports(1)
    away = {"AWS_S3_ENDPOINT_URL": f"http://127.0.0.1:{nobody}", "OUTBOX_S3_MAX_SIZE": "64KiB"}
    poller = PollerProcess("without-s3", tmp_path, world.texts | away, alone)
    try:
        assert "OUTBOX_S3_MAX_SIZE" in poller.wait_reason("its room in the outbox", "is full")
        poller.wait_polls(5)
        assert poller.metric("polls_passed_over", source="coingecko", drain="s3") >= 4
        assert poller.metric("polls_passed_over", source="coingecko", drain="kafka") == 0
        assert poller.metric("slots_missed", reason="outbox_full") == 0
    finally:
        poller.signal(signal.SIGTERM)
        poller.close()
    accepted = {Entry.parse(name) for name in evidence.waiting(outbox)["s3"]}
    assert accepted
    back = PollerProcess("with-s3", tmp_path, world.texts, alone)
    try:
        back.wait_ready()
        back.wait_polls(1)
        wait_until(lambda: not any(evidence.waiting(outbox).values()), what="an empty outbox")
    finally:
        back.signal(signal.SIGTERM)
        back.close()
    in_lake = evidence.slots_of(line for lines in evidence.in_lake(world.settings).values() for line in lines)
    on_topic = evidence.slots_of(each.value for each in evidence.on_topic(world.settings))
    assert {("coingecko", entry.slot_ms) for entry in accepted if entry} <= in_lake.keys() < on_topic.keys()
