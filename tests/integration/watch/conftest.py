"""A watch of one test: its rules, what it is sent, what it has found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cryptoproxy.cli.services.watch import process
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Service
from cryptoproxy.datasets import ALERT, TICKER, Alert, Dataset, iso, key
from tests.conftest import wait_until
from tests.integration.conftest import World
from tests.unit.watch.stand_in import StandIn

MINUTE_MS = 60_000


def ticker(price: float, at_ms: int, asset_id: str = "BTCUSDT", source: str = "binance") -> Any:
    """One whose poll was at that time."""
    return msgspec.structs.replace(
        TICKER.example,
        source=source,
        asset_id=asset_id,
        symbol=asset_id,
        quote="USDT",
        price=price,
        timestamp=iso(at_ms),
        fetched_at=iso(at_ms + 250),
    )


@dataclass
class Watching:
    """What a test does with it."""

    world: World
    rules: Path
    producer: Any
    now_ms: int = field(default_factory=lambda: SystemClock().now_ms() // MINUTE_MS * MINUTE_MS)
    """A minute that is over, for the times of records."""
    _running: list[tuple[Service, threading.Thread]] = field(default_factory=list)

    def say(self, rules: str) -> None:
        """The file of rules from now on."""
        self.rules.write_text(rules)

    def start(self) -> Service:
        """One more process, as a thread of this one; ready when it judges and knows its shares."""
        made = process(self.world.settings)
        thread = threading.Thread(target=made.run)
        thread.start()
        self._running.append((made, thread))
        wait_until(self.all_shares_live, what="all shares are back")
        return made

    def all_shares_live(self) -> bool:
        """Whether some process judges each share."""
        live = sum(each.registry.get_sample_value("cryptoproxy_watch_shares") or 0 for each, _ in self._running)
        held = [reason for each, _ in self._running for reason in each.health.reasons()]
        return live == self.world.settings.kafka.partitions and not held

    def stop(self, which: Service | None = None) -> None:
        """One of them, or all."""
        for each in [pair for pair in self._running if which in (None, pair[0])]:
            each[0].stop()
            each[1].join()
            self._running.remove(each)

    def send(self, *records: Any) -> None:
        """Onto the topic of tickers."""
        topic = self.world.settings.kafka.topic_of(TICKER)
        for future in [
            self.producer.send(topic, key=key(each).encode(), value=TICKER.codec.encode(each), headers=TICKER.headers)
            for each in records
        ]:
            future.get(60)

    def alerts(self) -> list[Alert]:
        """All that are on their topic."""
        return sorted(self.read(ALERT), key=lambda each: (each.timestamp, each.rule, each.asset, each.state))

    def read(self, dataset: Dataset[Any], part: str = "") -> list[Any]:
        """All that are on a topic, committed ones only."""
        kafka = self.world.settings.kafka
        reader = kafka_client.consumer(kafka, group_id=None)
        try:
            return [
                dataset.codec.decode(each.value)
                for each in kafka_client.read_to_end(reader, kafka.topic_of(dataset, part), seconds=60)
            ]
        finally:
            reader.close()

    def wait_alerts(self, count: int, also: Callable[[list[Alert]], bool] = lambda _: True) -> list[Alert]:
        """As soon as there are so many."""
        return wait_until(
            lambda: found if len(found := self.alerts()) >= count and also(found) else None, what=f"{count} alerts"
        )


@pytest.fixture
def watching(world: World, tmp_path: Path) -> Iterator[Watching]:
    world.texts |= {
        "WATCH_RULES": str(tmp_path / "watch.yaml"),
        "PYTHON_WATCH_SERVER_PORT": "0",
        "AWS_S3_OBJECT_SECONDS": "1",
    }
    world.set_up(TICKER, ALERT)
    producer = kafka_client.producer(world.settings.kafka)
    made = Watching(world, tmp_path / "watch.yaml", producer)
    yield made
    made.stop()
    producer.close()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Discord; the rules of a test find its address at ``env:HOOK``."""
    made = StandIn()
    monkeypatch.setenv("HOOK", made.address)
    yield made
    made.close()
