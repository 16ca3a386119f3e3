"""The whole road, as a user starts it: sandbox upstream, poller and indexer as processes, real engines between them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from kafka import TopicPartition

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.datasets import decode, document_id, from_iso
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import World

COINS = 20
NOW_FAR_AHEAD = 2**62


@contextmanager
def process(name: str, world: World, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m cryptoproxy.producer` or `python -m cryptoproxy.consumer`; asked to end at the end, and then it must end well."""
    log = (folder / f"{name}.log").open("wb")
    running = subprocess.Popen(
        [sys.executable, "-m", f"cryptoproxy.{name}"],
        env=child_environment(world.texts),
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    try:
        yield running
        running.send_signal(signal.SIGTERM)
        assert running.wait(180) == 0, (folder / f"{name}.log").read_text()
    finally:
        running.kill()
        running.wait()
        log.close()


def values_on_topic(settings: Settings) -> list[bytes]:
    consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
    try:
        topic = settings.kafka.topic
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        values: list[bytes] = []
        while len(values) < sum(ends.values()):
            for records in consumer.poll(timeout_ms=500).values():
                values += [record.value for record in records]
        return values
    finally:
        consumer.close()


def documents(settings: Settings) -> dict[str, dict[str, Any]]:
    client = elastic.client(settings.elasticsearch)
    try:
        client.indices.refresh(index=settings.elasticsearch.alias)
        hits = client.search(index=settings.elasticsearch.alias, size=10_000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}
    finally:
        client.close()


def lines_in_lake(settings: Settings) -> list[bytes]:
    store = Store(settings.s3)
    return [
        line for key in store.keys(f"{settings.s3.prefix}/v1/ticker/raw/") for line in lines_of(key, store.get(key))
    ]


def port_in(log: Path) -> str:
    """The address of `/readyz`, as the process says it at its start."""

    def said() -> str:
        text = log.read_text()
        return text.partition("health and metrics at ")[2].partition("\n")[0]

    return wait_until(said, what="the health address in the log")


@pytest.fixture
def upstream(world: World) -> Iterator[Sandbox]:
    with Sandbox(coins=100) as sandbox:
        world.texts |= {
            "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "COINGECKO_TOP_N": str(COINS),
            "KAFKA_PRODUCER_BATCH_INTERVAL": "1",
            "AWS_S3_OBJECT_SECONDS": "1",
        }
        yield sandbox


def test_what_was_served_is_on_the_topic_in_the_index_and_in_the_lake_once_and_equal(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    settings = world.settings
    with process("consumer", world, tmp_path), process("producer", world, tmp_path):
        health = port_in(tmp_path / "producer.log")
        wait_until(lambda: len(documents(settings)) >= 5 * COINS, what="five polls in the index")
        assert requests.get(f"{health}/readyz", timeout=180).status_code == 200
        upstream.pause()  # no more polls: what is under way arrives
        wait_until(
            lambda: len(values_on_topic(settings)) == len(documents(settings)) == len(lines_in_lake(settings)),
            what="the same number of records everywhere",
        )
    values, found = values_on_topic(settings), documents(settings)
    assert sorted(values) == sorted(lines_in_lake(settings))
    by_id = {document_id(decode(value, now_ms=NOW_FAR_AHEAD)): json.loads(value) for value in values}
    assert len(by_id) == len(values)
    assert found == by_id

    served = [json.loads(entry.body) for entry in upstream.ledger.entries() if entry.status == 200]
    pages = [{row["id"]: row for row in page} for page in served]
    slots: dict[str, dict[str, Any]] = {}
    for document in found.values():
        slots.setdefault(document["timestamp"], {})[document["asset_id"]] = document
    for slot, polled in sorted(slots.items()):
        assert from_iso(slot) % 1000 == 0
        assert any(
            polled.keys() == page.keys()
            and all(polled[coin]["price"] == page[coin]["current_price"] for coin in page)
            and all(polled[coin]["market_cap"] == page[coin]["market_cap"] for coin in page)
            for page in pages
        ), f"the poll of {slot} is none of the pages that were served"


def test_the_queries_that_people_run_are_answered(world: World, upstream: Sandbox, tmp_path: Path) -> None:
    settings = world.settings
    with process("consumer", world, tmp_path), process("producer", world, tmp_path):
        wait_until(lambda: len(documents(settings)) >= 2 * COINS, what="two polls in the index")
    client = elastic.client(settings.elasticsearch)
    try:
        answer = client.search(
            index=settings.elasticsearch.alias,
            size=0,
            aggs={
                "symbols": {
                    "terms": {"field": "symbol.keyword", "size": 5},
                    "aggs": {
                        "change": {"percentiles": {"field": "change_24h"}},
                        "last": {"max": {"field": "last_price"}},
                    },
                }
            },
        )
        buckets = answer["aggregations"]["symbols"]["buckets"]
        assert len(buckets) == 5
        assert all(bucket["change"]["values"]["50.0"] is not None for bucket in buckets)
        assert all(bucket["last"]["value"] > 0 for bucket in buckets)
        matched = client.search(index=settings.elasticsearch.alias, query={"match": {"symbol": "BTC"}})
        assert {hit["_source"]["asset_id"] for hit in matched["hits"]["hits"]} == {"bitcoin"}
    finally:
        client.close()


def status_of(world: World) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "cryptoproxy.cli.main", "status"],
        env=child_environment(world.texts) | {"COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_one_command_tells_whether_it_works(world: World, upstream: Sandbox, tmp_path: Path) -> None:
    code, said = status_of(world)
    assert code == 1, said
    assert "✓ Kafka" in said
    assert "✗ poller         none runs (cryptoproxy produce)" in said
    assert "✗ indexer        none runs, lag 0 records (cryptoproxy consume)" in said
    with process("consumer", world, tmp_path):
        with process("producer", world, tmp_path) as poller:
            wait_until(lambda: len(documents(world.settings)) >= 2 * COINS, what="two polls in the index")
            said = wait_until(lambda: said if (said := status_of(world)[1]).endswith("It works.\n") else "")
            assert f":{poller.pid} polls since " in said
            assert "coingecko was polled last for " in said
            assert "1 runs, lag " in said
            assert "newest document of coingecko: " in said
        code, said = status_of(world)
        assert code == 1, said
        assert "✗ poller         none runs (cryptoproxy produce)" in said
        assert "1 runs, lag " in said


def test_the_log_can_be_followed_by_a_person_and_by_a_machine(world: World, upstream: Sandbox, tmp_path: Path) -> None:
    world.texts |= {
        "LOG_FILE": str(tmp_path / "poller.json"),
        "LOG_FORMAT": "json",
        "KAFKA_PRODUCER_BATCH_INTERVAL": "5",
    }
    log = tmp_path / "poller.json"

    def messages() -> list[str]:
        if not log.exists():
            return []
        return [json.loads(line)["message"] for line in log.read_text().splitlines()]

    with process("producer", world, tmp_path):
        wait_until(lambda: any("archived s3://" in each for each in messages()), what="an archived poll")
    said = "\n".join(messages())
    assert f"{COINS} coins fetched from coingecko for " in said
    assert "next poll at " in said
    assert f"{COINS} records sent to {world.settings.kafka.topic}" in said
    assert world.texts["AWS_S3_SECRET_KEY"] not in said
