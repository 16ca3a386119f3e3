"""The everyday load: from Kafka's acknowledgement to "bulk answered"; starting; doing nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.context import Context, wait_for_group
from benchmarks.cost import cpu_seconds
from benchmarks.figures import Report, at_most, percentile
from benchmarks.quiet import words
from benchmarks.records import BEGIN_MS, Made, records
from benchmarks.world import Child, Place, indexer, poller, wait_until
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import RECORD_HEADERS, decode, document_id

RATE = 2000
SECONDS = 20
BURST = 50
"""Records sent at once: the load comes as polls do, not one record at a time."""
LONE_BATCHES = 40
IDLE_SECONDS = 30
_FAR = 2**62


class Sender:
    """Sends as the poller does, and remembers when each record was acknowledged, by document id."""

    def __init__(self, place: Place) -> None:
        self._topic = place.settings.kafka.topic
        self._producer = kafka_client.producer(place.settings.kafka)
        self.acknowledged: dict[str, float] = {}

    def send(self, made: Iterable[Made]) -> None:
        for key, value in made:
            identity = document_id(decode(value, now_ms=_FAR))
            future = self._producer.send(self._topic, key=key, value=value, headers=RECORD_HEADERS)
            future.add_callback(self._note, identity)

    def _note(self, identity: str, _: object) -> None:
        self.acknowledged[identity] = time.monotonic()

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.acknowledged) >= count, seconds=60, what=f"{count} acknowledgements")

    def close(self) -> None:
        self._producer.close()


def benchmark(context: Context) -> Report:
    report = Report("latency", facts={"rate": RATE, "seconds": SECONDS})
    rounds = context.quiet.rounds(lambda: _latencies(context), wanted=1, spare=min(2, context.spare), what="latency")
    report.disturbed = words(rounds)
    steady, lone = rounds[0].value
    report.add("acknowledged → bulk answered, p99", percentile(steady, 99), "ms", at_most(150), f"{RATE} records/s")
    report.add("acknowledged → bulk answered, p50", percentile(steady, 50), "ms", None, f"{RATE} records/s")
    report.add("a lone batch of 50, p99", percentile(lone, 99), "ms", at_most(50), "the last of its records")
    report.add("a lone batch of 50, p50", percentile(lone, 50), "ms")
    starts = [_start_seconds(context) for _ in range(3)]
    report.add("start → first document", starts, "s", at_most(2))
    idle = context.quiet.rounds(lambda: _idle_share(context), wanted=1, spare=min(1, context.spare), what="idle")
    report.add("indexer with nothing to do", idle[0].value[0] * 100, "% of a core", at_most(1))
    report.add("poller at 60 s", idle[0].value[1] * 100, "% of a core", at_most(1))
    return report


def _latencies(context: Context) -> tuple[list[float], list[float]]:
    """Milliseconds of each record at the steady rate, and of each lone batch."""
    place = context.engines.place()
    place.make_topics()
    place.make_index()
    file = context.engines.folder / "answered.jsonl"
    sender = Sender(place)
    made = list(records(RATE * SECONDS + LONE_BATCHES * BURST + RATE))
    warm, made = made[:RATE], made[RATE:]
    steady, lone = made[: RATE * SECONDS], made[RATE * SECONDS :]
    try:
        with Child("benchmarks.tapped", place.texts, (str(file),)) as child:
            wait_for_group(place, [child])
            for at in range(0, RATE, BURST):
                sender.send(warm[at : at + BURST])
                time.sleep(BURST / RATE)
            begin = time.monotonic()
            for number, at in enumerate(range(0, len(steady), BURST)):
                _sleep_until(begin + number * BURST / RATE)
                sender.send(steady[at : at + BURST])
            sender.wait(RATE + len(steady))
            for number, at in enumerate(range(0, len(lone), BURST)):
                time.sleep(0.4 + number * 0.013 % 0.3)  # at all phases of whatever turns in the indexer
                sender.send(lone[at : at + BURST])
            sender.wait(RATE + len(made))
            wait_until(lambda: place.documents() >= RATE + len(made), seconds=60, what="all documents", alive=child)
            time.sleep(0.5)
            child.stop()
    finally:
        sender.close()
        place.remove_index()
    answered = {
        identity: moment for moment, ids in map(json.loads, Path(file).read_text().splitlines()) for identity in ids
    }
    waits = [
        (answered[identity] - sender.acknowledged[identity]) * 1000
        for identity in (document_id(decode(each.value, now_ms=_FAR)) for each in made)
    ]
    steady_waits, lone_waits = waits[: len(steady)], waits[len(steady) :]
    batches = [max(lone_waits[at : at + BURST]) for at in range(0, len(lone_waits), BURST)]
    return steady_waits, batches


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _start_seconds(context: Context) -> float:
    """From the start of the process to the first document."""
    place = context.loaded()
    place.make_index(BEGIN_MS)
    try:
        began = time.monotonic()
        with indexer(place) as child:
            wait_until(lambda: place.documents() > 0, seconds=60, what="a document", alive=child, every=0.01)
            return time.monotonic() - began
    finally:
        place.remove_index()


def _idle_share(context: Context) -> tuple[float, float]:
    """CPU share of indexer and poller while nothing comes and the next poll is a minute away."""
    from cryptoproxy.lake.store import Store
    from cryptoproxy.sandbox.app import Sandbox

    place = context.engines.place(SOURCES="coingecko", COINGECKO_CALLS_PER_MINUTE="0", COINGECKO_TOP_N="50")
    place.make_topics()
    place.make_index()
    Store(place.settings.s3).make_bucket()
    with Sandbox(keep_bodies=False, ledger_limit=100) as sandbox:
        at = place.with_texts(
            COINGECKO_BASE_URL=sandbox.base_url("coingecko"),
            OUTBOX_DIR=str(context.engines.folder / f"outbox-{place.settings.kafka.topic}"),
        )
        with indexer(at) as reads, poller(at) as polls:
            wait_until(lambda: at.documents() > 0, seconds=90, what="the first poll's documents", alive=polls)
            threading.Event().wait(5)  # whatever starting left to do
            before = cpu_seconds(reads.pid), cpu_seconds(polls.pid)
            began = time.monotonic()
            threading.Event().wait(IDLE_SECONDS)
            seconds = time.monotonic() - began
            shares = tuple(
                (cpu_seconds(pid) - start) / seconds for pid, start in zip((reads.pid, polls.pid), before, strict=True)
            )
    place.remove_index()
    return shares[0], shares[1]
