"""Credentials changed while poller and indexer run: not ready, with a clear line; mended in their files: on, without loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import decode, document_id
from cryptoproxy.engines import secure
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.security.conftest import ADMIN, Doors
from tests.integration.security.processes import Process

FAR_AHEAD = 2**62


@dataclass
class Running:
    """Both processes, with all their secrets in files."""

    doors: Doors
    upstream: Sandbox
    keys: dict[str, str]
    key_file: Path
    poller: Process
    indexer: Process

    def judge(self) -> None:
        """Whatever was polled so far is on the topic, in the index and in the lake, and more comes."""
        before = len(self.on_topic())
        wait_until(lambda: len(self.on_topic()) > before, what=f"a fresh record; {self.poller.tail()}")
        self.upstream.pause()
        try:
            wait_until(
                lambda: self.on_topic() == self.in_index() == self.in_lake(),
                what=f"the same records everywhere: {[len(each) for each in (self.on_topic(), self.in_index(), self.in_lake())]}",
            )
        finally:
            self.upstream.resume()

    def on_topic(self) -> set[str]:
        settings = self.doors.settings().kafka
        consumer: Any = kafka_client.consumer(settings, group_id=None)
        try:
            partitions = [
                TopicPartition(settings.topic, each) for each in consumer.partitions_for_topic(settings.topic)
            ]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            found: set[str] = set()
            while any(consumer.position(each) < end for each, end in ends.items()):
                for records in consumer.poll(timeout_ms=500).values():
                    found |= {name for name in (_id(record.value) for record in records) if name}
            return found
        finally:
            consumer.close()

    def in_lake(self) -> set[str]:
        store = Store(self.doors.settings().s3)
        return {
            name
            for key in store.keys("crypto/v1/ticker/raw/")
            for name in map(_id, lines_of(key, store.get(key)))
            if name is not None
        }

    def in_index(self) -> set[str]:
        with closing(elastic.client(self.doors.root().elasticsearch)) as client:
            client.indices.refresh(index="crypto-prices")
            answer = client.search(
                index="crypto-prices", query={"term": {"source": "coingecko"}}, size=10_000, source=False
            )
        return {hit["_id"] for hit in answer["hits"]["hits"]}


def _id(value: bytes | None) -> str | None:
    try:
        return document_id(decode(value, now_ms=FAR_AHEAD))
    except PoisonError:
        return None


@pytest.fixture(scope="module")
def running(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rotation")
    keys = {"demo": doors.new_password("coingecko")}
    key_file = folder / "coingecko"
    key_file.write_text(keys["demo"])
    with ExitStack() as stack:
        upstream = stack.enter_context(Sandbox(coins=20, keys=keys))
        texts = doors.texts("crypto_poller") | {
            "COINGECKO_BASE_URL": upstream.base_url("coingecko"),
            "COINGECKO_PLAN": "demo",
            "COINGECKO_API_KEY_FILE": str(key_file),
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "COINGECKO_CALLS_PER_MONTH": "0",
            "COINGECKO_TOP_N": "5",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "2",
            "AWS_S3_OBJECT_SECONDS": "1",
            "OUTBOX_DIR": str(folder / "outbox"),
        }
        indexer = Process("consume", doors.texts("crypto_indexer", "crypto_indexer"), folder, secrets=doors.spelled)
        stack.enter_context(indexer)
        poller = stack.enter_context(Process("produce", texts, folder, secrets=doors.spelled))
        made = Running(doors, upstream, keys, key_file, poller, indexer)
        made.judge()
        yield made


def test_a_changed_password_of_elasticsearch(running: Running) -> None:
    doors, user = running.doors, "crypto_indexer"
    file = doors.elasticsearch.link / "config" / "users"
    changed = doors.new_password("elastic-changed")
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{user}:")]
    file.write_text("".join(f"{line}\n" for line in (*lines, f"{user}:{secure.hashed(changed)}")))
    said = running.indexer.wait_reason("401", "ES_PASSWORD")
    assert "Elasticsearch answers 401" in said
    doors.elastic_passwords[user] = changed
    doors.file("elastic", user).write_text(changed)
    running.indexer.wait_ready()
    running.judge()


def test_a_changed_key_of_s3(running: Running) -> None:
    doors = running.doors
    doors.s3.stop()
    doors.secret_key = doors.new_password("secret-changed")
    doors.s3 = doors.s3_with(doors.s3.port, doors.secret_key)
    doors.s3.start()
    doors.s3.wait_ready()
    said = running.poller.wait_reason("403", "AWS_S3_SECRET_KEY")
    assert "polls wait on disk" in said
    doors.file("s3", "secret").write_text(doors.secret_key)
    running.poller.wait_ready()
    running.judge()


def test_a_changed_key_of_the_upstream(running: Running) -> None:
    running.keys["demo"] = running.doors.new_password("coingecko-changed")
    assert "coingecko answered 401" in running.poller.wait_reason("401")
    running.key_file.write_text(running.keys["demo"])
    running.poller.wait_ready()
    running.judge()


def _set_password(doors: Doors, user: str, word: str) -> None:
    admin = kafka_client.admin(doors.settings(ADMIN).kafka)
    try:
        admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, word)])
    finally:
        admin.close()


@pytest.mark.long
def test_changed_passwords_of_kafka(running: Running) -> None:
    """Brokers ask for a login with each connection, so at the latest after their restart."""
    doors = running.doors
    changed = {user: doors.new_password(f"kafka-{user}-changed") for user in ("crypto_poller", "crypto_indexer")}
    for user, word in changed.items():
        _set_password(doors, user, word)
    doors.kafka.stop()
    doors.kafka.start()
    doors.kafka.wait_ready()
    for process, user in ((running.indexer, "crypto_indexer"), (running.poller, "crypto_poller")):
        said = process.wait_reason("refuses the login", "KAFKA_SASL_PASSWORD")
        assert f"'{user}' by SCRAM-SHA-512" in said
    for user, word in changed.items():
        doors.kafka_passwords[user] = word
        doors.file("kafka", user).write_text(word)
    running.indexer.wait_ready()
    running.poller.wait_ready()
    running.judge()
