"""A lake with past hours in it, the commands as a user calls them, and what stands in the index."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch
from kafka import KafkaProducer, TopicPartition

from cryptoproxy.cli.upkeep import backfill
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import load_settings
from cryptoproxy.consumer.wiring import service
from cryptoproxy.datasets import RECORD_HEADERS, Ticker, document_id, encode, from_iso, iso, key, slot_of
from cryptoproxy.lake import objects
from cryptoproxy.lake.store import Store
from tests.integration.conftest import World

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
COMMANDS = {"replay": backfill.replay, "reconcile": backfill.reconcile, "retention": backfill.retention}


def record(asset: str, slot_ms: int, **fields: Any) -> Ticker:
    return Ticker(
        **{
            "source": "coingecko",
            "asset_id": asset,
            "symbol": asset.upper(),
            "name": asset,
            "quote": "USD",
            "price": 1.5 + slot_ms % DAY,
            "timestamp": iso(slot_ms),
            "fetched_at": iso(slot_ms + 310),
            "fetch_delay_ms": 310,
        }
        | fields
    )


class Bench:
    """One test's world."""

    def __init__(self, world: World, folder: Path) -> None:
        self.settings = world.settings
        self.texts = world.texts
        self.env_file = folder / "settings.env"
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in world.texts.items()))
        self.alias = self.settings.elasticsearch.alias
        self.es: Elasticsearch = elastic.client(self.settings.elasticsearch)
        self.store = Store(self.settings.s3)
        self.producer: KafkaProducer = kafka_client.producer(self.settings.kafka)
        now_ms = SystemClock().now_ms()
        self.today = now_ms - now_ms % DAY
        self.begin = self.today - 3 * DAY + 10 * HOUR
        """Three full hours in the past begin here."""

    def close(self) -> None:
        self.es.close()
        self.producer.close()

    # --- the lake

    def archive(self, *records: Ticker) -> str:
        """One object of one poll."""
        return self.archive_lines(
            records[0].source,
            min(from_iso(each.timestamp) for each in records),
            b"".join(encode(each) + b"\n" for each in records),
        )

    def archive_lines(self, source: str, slot_ms: int, lines: bytes) -> str:
        made = objects.make(self.settings.s3.prefix, "ticker", source, slot_ms, lines)
        self.store.put(made.key, made.body)
        return made.key

    def fill(self, *, hours: int = 3, polls: int = 6, assets: int = 20, source: str = "coingecko") -> list[Ticker]:
        """A poll each ten minutes, of so many assets."""
        made: list[Ticker] = []
        for number in range(hours * polls):
            slot_ms = self.begin + number * HOUR // polls
            poll = [record(f"coin-{asset}", slot_ms, source=source) for asset in range(assets)]
            self.archive(*poll)
            made += poll
        return made

    # --- the commands

    def run(self, line: str, *, env_file: Path | None = None) -> Result:
        """``replay --from …``, as it would stand behind ``cryptoproxy --env-file …``."""
        name, *arguments = shlex.split(line)
        result = CliRunner().invoke(COMMANDS[name], arguments, obj=env_file or self.env_file)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def paste(self, command: str) -> Result:
        """What a command prints, as a person would paste it."""
        program, option, env_file, *rest = shlex.split(command)
        assert (program, option) == ("cryptoproxy", "--env-file")
        return self.run(shlex.join(rest), env_file=Path(env_file))

    def variant(self, **texts: str) -> Path:
        """The same settings but for these."""
        path = self.env_file.with_name(f"variant-{len(list(self.env_file.parent.iterdir()))}.env")
        path.write_text("".join(f"{name}={value}\n" for name, value in (self.texts | texts).items()))
        return path

    # --- the topic and the index

    def publish(self, *records: Ticker) -> None:
        futures = [
            self.producer.send(
                self.settings.kafka.topic, key=key(each).encode(), value=encode(each), headers=RECORD_HEADERS
            )
            for each in records
        ]
        for future in futures:
            future.get(180)

    def on_topic(self, topic: str) -> list[Any]:
        consumer = kafka_client.consumer(self.settings.kafka, group_id=None)
        try:
            partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            end = sum(consumer.end_offsets(partitions).values())
            found: list[Any] = []
            while len(found) < end:
                found += [each for records in consumer.poll(timeout_ms=500).values() for each in records]
            return found
        finally:
            consumer.close()

    def documents(self, index: str | None = None) -> dict[str, dict[str, Any]]:
        self.es.indices.refresh(index=self.alias)
        hits = self.es.search(index=index or self.alias, size=10_000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def count(self) -> int:
        self.es.indices.refresh(index=self.alias)
        return int(self.es.count(index=self.alias)["count"])

    def index_of(self, slot_ms: int) -> str:
        return f"{self.alias}-{iso(slot_ms)[:7].replace('-', '.')}.01"

    def delete(self, *records: Ticker) -> None:
        """What an administrator, or an accident, does."""
        for each in records:
            self.es.delete(index=self.index_of(from_iso(each.timestamp)), id=document_id(each))

    @contextmanager
    def indexer(self, **texts: str) -> Iterator[None]:
        process = service(Settings.from_texts(self.texts | texts))
        thread = threading.Thread(target=process.run, name="indexer under test", daemon=True)
        thread.start()
        try:
            yield
        finally:
            process.stop()
            thread.join(180)
            assert not thread.is_alive()

    def slot_now(self) -> int:
        return slot_of(SystemClock().now_ms(), MINUTE)


@pytest.fixture
def bench(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(backfill, "start", load_settings)  # logging stays as pytest has it
    made = Bench(world, tmp_path)
    yield made
    made.close()
