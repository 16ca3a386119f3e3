"""Beside watch: Bytewax, with three rules that mean the same, over the same topic. Each alone, one process, as fast as
it can. Both must have found the same: openings and ends, of the same assets at the same moments, each once.

Bytewax keeps the state of its assets in a store on the local disk, every ten seconds as it comes; watch keeps it on
Kafka, and the place in the topic in the transaction that tells. So each is killed half-way as well, and what the
topic has then is counted.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from benchmarks.context import Context
from benchmarks.figures import Report
from benchmarks.measure import Run, run
from benchmarks.quiet import words
from benchmarks.records import records
from benchmarks.streamers import environment
from benchmarks.watched import ASSETS, at_the_begin, place_for, watch
from benchmarks.world import PARTITIONS, ROOT, BenchmarkError, Child, Place, wait_until
from cryptoproxy.datasets import ALERT, from_iso

PEER = "bytewax==0.21.1"
STEP_MS = 15_000
"""From one record of an asset to its next: 300,000 of 500 assets are two and a half hours."""
RULES = """
rules:
  above: {when: {above: 4.99, clear: 4, of: ticker.change_24h}}
  falls: {when: {falls: 2%, within: 1h, clear: 1%}}
  odd: {when: {robust-score: 3.2, change: 1m, within: 1h, clear: 2}}
"""
"""As in `watch_peers/rules.py`."""
Change = tuple[str, str, int, bool]
"""Rule, asset, moment in ms, whether it opened."""
Found = Counter[Change]
"""How often each was told."""


class _Engine(ABC):
    """One that judges; ``topic`` is where it tells."""

    def __init__(self, place: Place, topic: str) -> None:
        self.place = place
        self.topic = topic

    @abstractmethod
    def forget(self) -> None:
        """As if it had never judged a record of the topic."""

    @abstractmethod
    def start(self) -> AbstractContextManager[Child]: ...

    @abstractmethod
    def judged(self, child: Child) -> int: ...

    @abstractmethod
    def read(self, value: bytes) -> Change: ...


class _Watch(_Engine):
    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(place, place.settings.kafka.topic_of(ALERT))
        self._context = context

    def forget(self) -> None:
        at_the_begin(self.place)

    def start(self) -> AbstractContextManager[Child]:
        return watch(self._context, self.place, RULES)

    def judged(self, child: Child) -> int:
        return int(child.metric("watch_records"))

    def read(self, value: bytes) -> Change:
        alert = ALERT.codec.decode(value)
        return alert.rule, alert.asset, from_iso(alert.timestamp), alert.state == "open"


class _Bytewax(_Engine):
    def __init__(self, place: Place, folder: Path) -> None:
        super().__init__(place, f"{place.settings.kafka.topic}.peer")
        place.with_texts(KAFKA_TOPICS=f"alert={self.topic}").make_topics(ALERT)
        self._python = environment(folder / "bytewax", PEER, f"msgspec=={msgspec.__version__}")
        self._store = folder / "store"

    def forget(self) -> None:
        shutil.rmtree(self._store, ignore_errors=True)

    def start(self) -> AbstractContextManager[Child]:
        script = ROOT / "benchmarks" / "watch_peers" / "bytewax_rules.py"
        tickers = self.place.settings.kafka.topic
        arguments = (self.place.texts["KAFKA_BROKERS_HOST_PORT"], tickers, self.topic, str(self._store))
        return Child("Bytewax", {}, command=(str(self._python), str(script), *arguments))

    def judged(self, child: Child) -> int:
        return next((int(line.split()[1]) for line in reversed(child.lines) if line.startswith("judged ")), 0)

    def read(self, value: bytes) -> Change:
        said: dict[str, Any] = msgspec.json.decode(value)
        return said["rule"], said["asset"], said["at"], said["open"]


def benchmark(context: Context) -> Report:
    place = place_for(context)
    place.load(records(context.count, step_ms=STEP_MS, coins=ASSETS))
    with tempfile.TemporaryDirectory(prefix="watchers-") as folder:
        engines = {"watch": _Watch(context, place), PEER: _Bytewax(place, Path(folder))}
        wanted = _require_equal({name: _measured(engine, context.count)[1] for name, engine in engines.items()})
        context.say(f"  both found the same {len(wanted)} openings and ends")

        def one_round() -> dict[str, Run]:
            done = {name: _measured(engine, context.count) for name, engine in engines.items()}
            _require_equal({name: found for name, (_, found) in done.items()})
            return {name: each for name, (each, _) in done.items()}

        rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="watchers")
        opened = sum(opens for *_, opens in wanted)
        report = Report("watchers", disturbed=words(rounds), facts={"records": context.count, "openings": opened})
        for name, engine in engines.items():
            runs = [each.value[name] for each in rounds]
            report.add(f"{name}: rate", [each.rate for each in runs], "records/s", note="three rules, one process")
            report.add(f"{name}: CPU", [each.cpu_us for each in runs], "µs/record")
            report.add(f"{name}: peak RSS", [each.peak_rss_mb for each in runs], "MB")
            again = _told_again(engine, context.count, wanted)
            report.add(f"{name}: told again", again, note=f"of {len(wanted)}; killed after half of the records")
    return report


def _measured(engine: _Engine, count: int) -> tuple[Run, Found]:
    engine.forget()
    before = _told(engine)
    with engine.start() as child:
        done = run([child], count=count, through=lambda: engine.judged(child), engine=lambda: 0.0)
    return done, _told(engine) - before


def _told_again(engine: _Engine, count: int, wanted: Found) -> int:
    """How many changes are on the topic more than once, after a kill half-way and a second process.

    Raises:
        BenchmarkError: some are not on it at all.
    """
    engine.forget()
    before = _told(engine)
    with engine.start() as child:
        wait_until(lambda: engine.judged(child) >= count // 2, seconds=300, what="half is judged", alive=child)
        child.process.kill()
        child.process.wait()
    with engine.start() as child:
        wait_until(lambda: wanted <= _told(engine) - before, seconds=300, what="all is told", alive=child, every=1.0)
    return sum(times > 1 for times in (_told(engine) - before).values())


def _require_equal(found: Mapping[str, Found]) -> Found:
    """
    Raises:
        BenchmarkError: one told what another did not, or one of them something twice.
    """
    (name, first), *others = found.items()
    for other, each in others:
        if first != each or max(first.values()) > 1:
            apart = [f"{len(a - b)} of {len(a)} only by {who}: {sorted(a - b)[:3]}"
                     for who, a, b in ((name, first, each), (other, each, first))]  # fmt: skip
            raise BenchmarkError("they found different things: " + "; ".join(apart))
    if not first:
        raise BenchmarkError("nothing was found: so few records say nothing")
    return first


def _told(engine: _Engine) -> Found:
    """All that the topic has, for who reads what is committed."""
    brokers = engine.place.texts["KAFKA_BROKERS_HOST_PORT"]
    consumer = Consumer(
        {
            "bootstrap.servers": brokers, "group.id": f"{engine.topic}-told", "enable.auto.commit": False,
            "enable.partition.eof": True, "isolation.level": "read_committed",
        }
    )  # fmt: skip
    consumer.assign([TopicPartition(engine.topic, each, 0) for each in range(PARTITIONS)])
    found, at_end = Found(), set[int]()
    try:
        while len(at_end) < PARTITIONS:
            message = consumer.poll(60)
            if message is None:
                raise BenchmarkError(f"{engine.topic} was not read to its end in a minute")
            if (error := message.error()) is None:
                found[engine.read(message.value() or b"")] += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition() or 0)
    finally:
        consumer.close()
    return found
