"""5,000 records in one poll: from the arrival of the answer to the last acknowledgement; reading what upstreams answer.

The poller's own parts on real Kafka and S3, with answers that are there at once. Beside them the bare road, the same
records from the same answers straight to the producer: what the outbox and the archive add.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.context import Context
from benchmarks.figures import Report, at_least, at_most, percentile
from benchmarks.quiet import words
from benchmarks.world import Engines, Place
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, process
from cryptoproxy.common.service.process import Loop
from cryptoproxy.datasets import RECORD_HEADERS, TICKER, Dataset, key, slot_of
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.drains.to_kafka import Publisher
from cryptoproxy.producer.drains.to_kafka import connect as connect_publisher
from cryptoproxy.producer.drains.to_s3 import Archiver
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.upstreams.base import Call, Priority, Response, Source
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko

RECORDS = 5_000
POLLS = 120
"""In each of the two ways, alternately."""
WARM = 5
SLOT_MS = 60_000
READ_SECONDS = 1.0


class Budgetless:
    """Grants all."""

    def take(self, cost: int, *, priority: Priority) -> float:
        return 0.0

    def reported(self, used: int) -> None:
        return

    def answered(self) -> None:
        return

    def ban(self, seconds: float, why: str) -> None:
        return

    def ban_ends_in(self) -> float:
        return 0.0


def benchmark(context: Context) -> Report:
    report = Report("polling", facts={"records": RECORDS, "polls": POLLS})
    with Sandbox(coins=RECORDS, keep_bodies=False, ledger_limit=10) as sandbox:
        coingecko = CoinGecko(base_url=sandbox.base_url("coingecko"), top_n=RECORDS)
        binance = Binance(base_url=sandbox.base_url("binance"))
        bybit = Bybit("linear", base_url=sandbox.base_url("bybit"))
        every: tuple[Source, ...] = (coingecko, binance, bybit)
        for source in every:
            bodies = [answer.body for answer in _answers(source)]
            if source.symbol_list is not None:
                _load_symbols(source)
            reading = context.quiet.rounds(
                partial(_read_rate, source, bodies), wanted=3, spare=context.spare, what=f"reading {source.feed.name}"
            )
            rates, counts = zip(*(each.value for each in reading), strict=True)
            name = f"parse and normalise: {source.feed.name}"
            report.add(name, rates, "rows/s", at_least(200_000), f"{counts[0]} rows in a poll")
        answers = _answers(coingecko)
    rounds = context.quiet.rounds(
        lambda: _polls(context.engines, coingecko, answers), wanted=1, spare=min(2, context.spare), what="polling"
    )
    report.disturbed = words(rounds)
    whole, bare = rounds[0].value
    report.add(
        "answer arrived → all acknowledged, p99", percentile(whole, 99) * 1000, "ms", at_most(400), "5,000 records"
    )
    report.add("answer arrived → all acknowledged, p50", percentile(whole, 50) * 1000, "ms")
    report.add("without outbox and archive, p99", percentile(bare, 99) * 1000, "ms")
    report.add("without outbox and archive, p50", percentile(bare, 50) * 1000, "ms")
    report.add(
        "outbox and archive add, p99",
        (percentile(whole, 99) / percentile(bare, 99) - 1) * 100,
        "%",
        at_most(15),
        f"of {len(whole)} polls each way",
    )
    return report


def _answers(source: Source) -> list[Response]:
    """Without their ``Date``, which the poller would compare with its clock when they are used again later."""
    fetcher = Fetcher()
    return [Response(200, {}, fetcher.get(call, timeout=60).body) for call in source.calls()]


def _read_rate(source: Source, bodies: Sequence[bytes]) -> tuple[float, int]:
    """Rows of one poll into records, per second of one core; and how many there are."""
    rows = 0
    began = time.process_time()
    while (used := time.process_time() - began) < READ_SECONDS:
        poll = source.read(bodies, slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 300)
        rows += len(poll.records) + len(poll.rejected)
    return rows / used, len(poll.records) + len(poll.rejected)


def _load_symbols(source: Source) -> None:
    assert source.symbol_list is not None
    fetcher, bodies = Fetcher(), []
    previous: bytes | None = None
    while (call := source.symbol_list.next_call(previous)) is not None:
        previous = fetcher.get(call, timeout=60).body
        bodies.append(previous)
    source.symbol_list.load(bodies)


def _polls(engines: Engines, source: Source, answers: Sequence[Response]) -> tuple[list[float], list[float]]:
    """Seconds of each poll, through all parts and bare."""
    place = engines.place()
    place.make_topics()
    Store(place.settings.s3).make_bucket()
    waits: dict[str, list[float]] = {"whole": [], "bare": []}
    with _parts(place, engines.folder / place.settings.kafka.topic, source, answers) as ways:
        slot_ms = slot_of(SystemClock().now_ms(), SLOT_MS) - (POLLS + WARM) * 2 * SLOT_MS
        for number in range(POLLS + WARM):
            for name, way in ways.items():
                slot_ms += SLOT_MS
                seconds = way(slot_ms)
                if number >= WARM:
                    waits[name].append(seconds)
    return waits["whole"], waits["bare"]


@contextmanager
def _parts(
    place: Place, folder: Path, source: Source, answers: Sequence[Response]
) -> Iterator[dict[str, Callable[[int], float]]]:
    """The two ways, each a function of the slot that returns seconds."""
    settings, clock = place.settings, SystemClock()
    metrics, health = PollerMetrics(CollectorRegistry()), Health()
    outbox = Outbox(folder, max_bytes=2**32)
    acknowledged = threading.Event()
    numbered = {
        call.url + str(sorted(call.params.items())): answer
        for call, answer in zip(source.calls(), answers, strict=True)
    }

    def get(call: Call, *, timeout: float) -> Response:
        return numbered[call.url + str(sorted(call.params.items()))]

    budget: Any = Budgetless()
    poll = PollOnce(source, budget=budget, get=get, clock=clock, metrics=metrics, timeout=10)

    def published(entry: Entry) -> None:
        acknowledged.set()

    publisher = Publisher(
        settings.kafka,
        outbox,
        connect=lambda: connect_publisher(settings.kafka),
        refusal=lambda _: None,
        published=published,
        health=health,
        metrics=metrics,
        quiet=lambda _: True,
    )
    archiver = Archiver(
        Store(settings.s3),
        outbox,
        interval_ms=lambda _: SLOT_MS,
        object_ms=SLOT_MS,
        health=health,
        metrics=metrics,
        clock=clock,
        quiet=lambda _: True,
    )
    stop = threading.Event()
    threads = [
        threading.Thread(target=run, args=(Loop(name, stop),), name=name, daemon=True)
        for name, run in (("publish", publisher.run), ("archive", archiver.run))
    ]
    process.settle()  # as `cryptoproxy produce` does
    for thread in threads:
        thread.start()
    producer = connect_publisher(settings.kafka)

    def whole(slot_ms: int) -> float:
        acknowledged.clear()
        polled = poll.poll(slot_ms, clock.now_ms() + 60_000, lambda _: False)
        polled.keep(outbox)
        if not acknowledged.wait(60):
            raise TimeoutError("a poll was not acknowledged within 60 s")
        return time.monotonic() - polled.arrived

    dataset: Dataset[Any] = TICKER
    encode = dataset.codec.encode

    def bare(slot_ms: int) -> float:
        arrived = time.monotonic()
        made = source.read([each.body for each in answers], slot_ms=slot_ms, fetched_at_ms=clock.now_ms())
        futures = [
            producer.send(settings.kafka.topic, key=key(each).encode(), value=encode(each), headers=RECORD_HEADERS)
            for each in made.records
        ]
        for future in futures:
            future.get(timeout=60)
        return time.monotonic() - arrived

    try:
        yield {"whole": whole, "bare": bare}
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        producer.close(timeout=10)
        outbox.close()
