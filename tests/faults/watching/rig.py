"""A world of watch: rules, processes, a stand-in for Discord, and a feeder that knows which alerts must come of it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT, TICKER, iso, key
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.process import PollerProcess
from tests.faults.watching import launch
from tests.unit.watch.stand_in import StandIn

MINUTE_MS = 60_000
ASSETS = [f"A{number}USDT" for number in range(40)]
RULES = """
channels:
  ops: {discord: "file:HOOK"}
rules:
  high: {when: {above: 100}, tell: [ops]}
  falls: {when: {falls: 2%, within: 2m}, tell: [ops]}
"""
HIGH, LOW = 101.0, 98.0
"""From one to the other is a fall of three percent."""


class WatchProcess(PollerProcess):
    """`cryptoproxy watch`, with what `launch` in this folder makes of it."""

    launcher = launch.__file__


@dataclass
class Verdict:
    """What the judge has found. ``again``: sent once more, and marked as such."""

    records: int
    lost: int
    doubled: int
    again: int
    foreign: int
    untold: int
    unmarked: int
    repeats: int
    """Messages that were marked."""

    def require(self, *, repeats: int) -> Self:
        """Nothing is wrong, and no more messages than this were repeated."""
        wrong = (self.lost, self.doubled, self.foreign, self.untold, self.unmarked)
        assert not any(wrong), self
        assert self.repeats <= repeats, self
        return self


@dataclass
class WatchRig:
    """Usage: ``with WatchRig(brokers, tmp_path) as rig``; then start, feed, kill, and :meth:`judge`."""

    brokers: str
    folder: Path
    stand_in: StandIn = field(default_factory=StandIn)
    processes: list[WatchProcess] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        name = f"w{uuid.uuid4().hex[:10]}"
        (self.folder / "hook").write_text(self.stand_in.address)
        (self.folder / "watch.yaml").write_text(RULES.replace("HOOK", str(self.folder / "hook")))
        self.texts = {
            "KAFKA_BROKERS_HOST_PORT": self.brokers,
            "KAFKA_TOPIC": name,
            "KAFKA_TOPICS": f"alert={name}.alerts",
            "WATCH_RULES": str(self.folder / "watch.yaml"),
            "PYTHON_WATCH_SERVER_PORT": "0",
            "OUTBOX_DIR": str(self.folder / "outbox"),
        }
        admin = kafka_client.admin(self.settings.kafka)
        list(topics.set_up(admin, self.settings.kafka, (TICKER, ALERT)))
        admin.close()
        self.producer = kafka_client.producer(self.settings.kafka)
        self.minute = (time.time_ns() // 1_000_000 - 8 * 60 * MINUTE_MS) // MINUTE_MS
        self._price = 0.0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if error is not None and process.running:
                print(f"{process.name}, {process.reasons()}:\n{process.log[-3000:]}")
            process.close()
        self.producer.close(timeout=5)
        self.stand_in.close()

    @property
    def settings(self) -> Settings:
        return Settings.from_texts(self.texts)

    def start(self) -> WatchProcess:
        """One more process; it may still be on its way."""
        made = WatchProcess(f"watch-{len(self.processes)}", self.folder, self.texts, {})
        self.processes.append(made)
        return made

    def wait_judging(self) -> None:
        """Until those that run have all shares between them."""
        shares = self.settings.kafka.partitions

        def judged() -> bool:
            live = [each for each in self.processes if each.running]
            return sum(each.metric("watch_shares") for each in live) == shares and not any(
                each.reasons() for each in live
            )

        wait_until(judged, what="those that run judge all shares")

    def feed(self, rounds: int) -> None:
        """So many minutes of all assets, each record twice; notes what must come of them."""
        topic, futures = self.settings.kafka.topic_of(TICKER), []
        for _ in range(rounds):
            before, self._price = self._price, LOW if self._price == HIGH else HIGH
            self.minute += 1
            at = self.minute * MINUTE_MS
            for asset in ASSETS:
                record: Any = msgspec.structs.replace(
                    TICKER.example, source="binance", asset_id=asset, symbol=asset, quote="USDT", price=self._price,
                    timestamp=iso(at), fetched_at=iso(at + 250),
                )  # fmt: skip
                value = TICKER.codec.encode(record)
                futures += [self.producer.send(topic, key=key(record).encode(), value=value) for _ in range(2)]
                if self._price == HIGH or before:
                    state = "open" if self._price == HIGH else "resolved"
                    self.expected.add(f"watch:high:binance.{asset}.USDT:{at}-{state}")
        for future in futures:
            future.get(180)

    def judge(self) -> Verdict:
        """Waits until all that must be there is there and told, and looks at what else is."""
        wait_until(lambda: self.expected <= set(self._on_topic()), what="all alerts are on their topic")
        wait_until(lambda: self.expected <= self.stand_in.taken().keys(), what="all of them are told")
        found, told = self._on_topic(), self.stand_in.taken()
        taken = [post for post in self.stand_in.posts if post.status in (0, 204)]
        marked = Counter(each for post in taken if post.repeat for each in post.ids)
        return Verdict(
            records=len(found),
            lost=len(self.expected - found.keys()),
            doubled=sum(count - 1 for count in found.values()),
            again=sum(marked.values()),
            foreign=len([each for each in found.keys() - self.expected if not each.startswith("watch:falls:")]),
            untold=len(found.keys() - told.keys()),
            unmarked=sum(1 for each, count in told.items() if count > 1 + marked[each]),
            repeats=sum(post.repeat for post in taken),
        )

    def _on_topic(self) -> Counter[str]:
        values = [each.value for each in evidence.on_topic(self.settings, self.settings.kafka.topic_of(ALERT))]
        return Counter(ALERT.id_of(ALERT.codec.decode(each)) for each in values)
