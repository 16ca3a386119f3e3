"""A world of one case: topics, a prefix in the lake, a sandbox as upstream, a fault proxy before S3, and pollers."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.s3 import S3
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import FaultProxy, Sandbox, StandInLimits
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.judge import Case, Verdict, judge
from tests.faults.process import PollerProcess
from tests.faults.reading import TICKERS, Kind

COINS = 10
INTERVAL = 1.0


@dataclass(frozen=True)
class Engines:
    kafka: Kafka
    s3: S3


class Rig:
    """Usage: ``with Rig(engines, tmp_path) as rig: poller = rig.start(); …; rig.judge()``.

    Args:
        texts: settings on top of the usual ones: CoinGecko each second, an object of the lake per poll.
    """

    def __init__(self, engines: Engines, folder: Path, **texts: str) -> None:
        self.engines = engines
        self.folder = folder
        self.sandbox = Sandbox(coins=50, limits=StandInLimits(binance_weight_per_minute=None))
        self.s3 = FaultProxy(engines.s3.endpoint)
        self.name = f"f{uuid.uuid4().hex[:10]}"
        self.pollers: list[PollerProcess] = []
        self.killed_ms: list[int] = []
        self.witnessed: set[tuple[str, int]] = set()
        self._texts = texts

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.s3.start()
        self.texts = {
            "KAFKA_BROKERS_HOST_PORT": self.engines.kafka.endpoint,
            "KAFKA_TOPIC": self.name,
            "KAFKA_ANSWERS_TOPIC": f"{self.name}.answers",
            "AWS_S3_ENDPOINT_URL": self.s3.url,
            "AWS_S3_ACCESS_KEY": self.engines.s3.access_key,
            "AWS_S3_SECRET_KEY": self.engines.s3.secret_key,
            "AWS_S3_FILENAME_PREFIX": self.name,
            "AWS_S3_OBJECT_SECONDS": "1",
            "OUTBOX_DIR": str(self.folder / "outbox"),
            "PYTHON_PRODUCER_SERVER_PORT": "0",
            "KAFKA_PRODUCER_BATCH_INTERVAL": f"{INTERVAL:g}",
            "COINGECKO_BASE_URL": self.sandbox.base_url("coingecko"),
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "COINGECKO_TOP_N": str(COINS),
            "BINANCE_BASE_URL": self.sandbox.base_url("binance"),
            "BINANCE_WEIGHT_PER_MINUTE": "0",
            "BYBIT_BASE_URL": self.sandbox.base_url("bybit"),
            "BYBIT_CALLS_PER_5S": "0",
            **self._texts,
        }
        self._lake = evidence.Remembering(self.settings.s3)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for poller in self.pollers:
            poller.close()
            if kind is not None:
                print(f"--- {poller.name}\n{poller.log[-6000:]}")
        self.sandbox.stop()
        self.s3.stop()

    @property
    def settings(self) -> Settings:
        """Of the engines themselves, without the proxy."""
        return Settings.from_texts(self.texts | {"AWS_S3_ENDPOINT_URL": self.engines.s3.endpoint})

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    def set_up(self) -> None:
        """What `cryptoproxy setup` does."""
        self.make_topics()
        Store(self.settings.s3).make_bucket()

    def make_topics(self, *datasets: Dataset[Any]) -> None:
        """Of tickers, and of ``datasets``."""
        admin = kafka_client.admin(self.settings.kafka)
        try:
            list(topics.set_up(admin, self.settings.kafka, (TICKER, *datasets)))
        finally:
            admin.close()

    def start(self, name: str = "poller", *, test: Mapping[str, str] | None = None, **texts: str) -> PollerProcess:
        poller = PollerProcess(name, self.folder, self.texts | texts, test)
        self.pollers.append(poller)
        return poller

    def kill(self, poller: PollerProcess) -> None:
        """SIGKILL; what it leaves on disk is what must be delivered."""
        poller.kill()
        self.died(poller)

    def died(self, poller: PollerProcess) -> None:
        self.killed_ms.append(round(time.time() * 1000))
        self.witnessed |= evidence.kept_slots(poller.outbox)

    def outboxes(self) -> set[Path]:
        return {poller.outbox for poller in self.pollers}

    def left(self) -> list[str]:
        return [
            f"{outbox.name}/{folder}/{name}"
            for outbox in sorted(self.outboxes())
            for folder, names in evidence.waiting(outbox).items()
            for name in names
        ]

    def settle(self, *, seconds: float = 180) -> None:
        """The upstream goes away, and all that was kept is delivered."""
        self.sandbox.pause()
        began, quiet = time.monotonic(), 0

        def empty() -> bool:
            nonlocal quiet
            quiet = 0 if self.left() else quiet + 1
            return quiet >= 5  # a poll may have been on its way to the disk

        wait_until(empty, seconds=seconds, what=f"empty outboxes; still there: {self.left()[:5]}")
        self.settled_in = time.monotonic() - began

    def judge(
        self,
        *,
        documents: Mapping[str, Mapping[str, object]] | None = None,
        two_holders: bool = False,
        taken: Sequence[evidence.Found] = (),
        kind: Kind = TICKERS,
    ) -> Verdict:
        """Settles, asks the judge, and lets the upstream come back. ``taken`` was on the topic before the case itself
        took it off there."""
        self.settle()
        settings = self.settings
        found = [*taken, *evidence.on_topic(settings, settings.kafka.topic_of(kind.dataset))]
        slots = {slot for _, slot in evidence.slots_of((each.value for each in found), kind.identity)}
        objects = evidence.in_lake(settings, self._lake, kind.dataset)
        if kind.dataset.compacted:  # its readers are given the newest of each; the lake has all
            lake = {kind.identity(json.loads(line)): line for lines in objects.values() for line in lines}
        else:
            lake = evidence.by_readers_rule(settings, slots, self._lake, kind.dataset)
        letters = evidence.on_topic(settings, settings.kafka.dead_letter_topic) if kind is TICKERS else []
        verdict = judge(
            Case(
                served=self.sandbox.ledger.entries(),
                topic=found,
                lake=lake,
                objects=objects,
                witnessed=self.witnessed,
                kept=None if self.killed_ms else sum(poller.kept(kind.suffix) for poller in self.pollers),
                missed=sum((poller.missed() for poller in self.pollers), Counter()),
                killed_ms=self.killed_ms,
                left_behind=self.left(),
                documents=documents,
                two_holders=two_holders,
                dead_letters=[each.value for each in letters],
                kind=kind,
            )
        )
        self.sandbox.resume()
        return verdict
