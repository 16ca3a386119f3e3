"""A poller that streams while one fault after the other befalls it, each judged over its own time: so a case costs seconds,
and what one has left undone, the next one finds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cryptoproxy.datasets import Dataset
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.sandbox import Rule, StreamRule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.rig import Engines, Rig
from tests.faults.test_stream_faults import Found, World

Step = Sequence[StreamRule | Rule]
CARRIER = "cryptoproxy.producer.feeds.stream.carrier"
BACKLOG = 40_000
"""Bytes that wait for a client that reads slowly, before it is cut."""


class Trial(World):
    """One poller, one dataset. Connections count as quiet after ``quiet`` seconds, and a ban lasts two: cases shall not
    wait for what is tested elsewhere.

    Args:
        texts: settings.
    """

    def __init__(self, rig: Rig, sources: str, dataset: Dataset[Any], part: str = "", **texts: str) -> None:
        self._topics: dict[str, evidence.Topic] = {}
        self.dataset, self.part = dataset, part
        super().__init__(rig, sources, dataset)
        rig.texts |= texts
        rig.sandbox.streams.backlog = BACKLOG
        self._store = evidence.Remembering(rig.settings.s3)
        self._stored: dict[str, frozenset[str]] = {}
        self.judged: dict[str, int] = {}
        """Up to where each symbol was judged by the case before: the next one goes on there."""

    def begin(self, *, quiet: float = 2.0, behind: float = 0.0) -> None:
        """Args:
        behind: seconds by which the poller's clock is behind the exchange's.
        """
        patch = {
            f"{CARRIER}.QUIET_SECONDS": quiet,
            f"{CARRIER}.QUIET_FACTOR": 1,
            f"{CARRIER}.BAN_SECONDS": 2.0,
            "cryptoproxy.upstreams.answers.refusals.BLOCKED_SECONDS": 2.0,
        }
        test = {
            "TEST_ALONE": "1",
            "TEST_PATCH": json.dumps(patch),
        }
        if behind:
            file = self.rig.folder / "clock"
            file.write_text(str(-behind))
            test["TEST_CLOCK"] = str(file)
        self.poller = self.rig.start(test=test)
        self.poller.wait_ready()
        wait_until(
            lambda: {each.asset_id for each in self.records()} == set(self.symbols), what="records of each symbol"
        )

    @property
    def symbols(self) -> Sequence[str]:
        return self.rig.texts["BINANCE_STREAM_SYMBOLS"].split(",")

    def on_topic(self, dataset: Dataset[Any], part: str = "") -> list[Any]:
        name = self.rig.settings.kafka.topic_of(dataset, part)
        if name not in self._topics:
            self._topics[name] = evidence.Topic(self.rig.settings, name, dataset.codec.decode)
        return self._topics[name].read()

    def records(self) -> list[Any]:
        return self.on_topic(self.dataset, self.part)

    def ids_in_lake(self) -> set[str]:
        """Each object is read once. What is being written has another name, which goes."""
        for key in self._store.keys(f"{self._store.settings.prefix}/v1/{self.dataset.name}/"):
            if key not in self._stored and key.endswith(".jsonl.gz"):
                lines = lines_of(key, self._store.get(key))
                self._stored[key] = frozenset(self.dataset.id_of(self.dataset.codec.decode(line)) for line in lines)
        return set().union(*self._stored.values())

    def suffer(self, steps: Sequence[Step]) -> Callable[[], float]:
        """One after the other, each carried out before the next, until newer records of each symbol are there. Gives the
        seconds since the last one."""
        for rules in steps:
            self.carry_out(rules)
        seconds, fired_ms = timed(), time.time_ns() // 1_000_000
        wait_until(lambda: min(self.newest().values()) > fired_ms, what="newer records of each symbol")
        return seconds

    def newest(self) -> dict[str, int]:
        """The time of the last record of each symbol."""
        found: dict[str, int] = {}
        for each in self.records():
            found[each.asset_id] = max(found.get(each.asset_id, 0), moment_of(each.timestamp))
        return found

    def wait_for_lake(self, ids: set[str]) -> None:
        wait_until(lambda: ids <= self.ids_in_lake(), what="all of it in the lake")

    def found(self, ids: set[str], values: Callable[[Any], object]) -> Found:
        """What the table takes, of records with these ids. Doubled is what is there twice and says two things."""
        told: dict[str, set[object]] = {}
        times = 0
        for each in self.records():
            name = self.dataset.id_of(each)
            if name in ids:
                told.setdefault(name, set()).add(values(each))
                times += 1
        lost = len(ids - told.keys())
        return Found(len(ids), lost, sum(len(each) > 1 for each in told.values()), times - len(told))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """If it fails, the end of the poller's log stands with it."""
        try:
            yield
        except BaseException:
            print(f"--- {self.poller.name}\n{self.poller.log[-6000:]}")
            raise

    def close(self) -> None:
        for each in self._topics.values():
            each.close()


@contextmanager
def trial(
    engines: Engines, folder: Any, make: Callable[[Rig], Trial], *, quiet: float = 2.0, behind: float = 0.0
) -> Iterator[Trial]:
    """Of a whole module."""
    with Rig(engines, folder) as rig:
        rig.set_up()
        made = make(rig)
        made.begin(quiet=quiet, behind=behind)
        try:
            yield made
        finally:
            made.close()


def timed() -> Callable[[], float]:
    """Seconds since now."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
