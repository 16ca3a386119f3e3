"""Trades by stream, as fast as they are taken: how many a second one poller brings to the topic with everything kept,
and what each costs; alone to the disk, and the whole road.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb
from benchmarks.exchange import PAGE, SYMBOLS
from benchmarks.figures import Report, at_least, at_most, median, percentile
from benchmarks.world import PARTITIONS, Child, Engines, Place, free_port, poller, wait_until
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.datasets import GAP, TICKER, TRADE
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.feeds.stream.room import Room
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import DRAINS
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.streams.trades import WEIGHT, BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.streaming.stream import Left

RATE = 2_000
WARM_SECONDS, DELAY_SECONDS = 5, 20
A_DAY = 3_000_000
"""Trades of BTCUSDT."""
BUDGET = 6_000
"""Binance's weight of a minute."""


def benchmark(context: Context) -> Report:
    report = Report("streaming", facts={"trades": context.count})
    disk = context.quiet.rounds(
        partial(_to_disk, context.count), wanted=min(3, context.rounds), spare=context.spare, what="frames to disk"
    )
    report.add(
        "own CPU of a trade, from the frame to the outbox",
        [each.value for each in disk],
        "µs",
        at_most(20, aim=12),
        "without Kafka and S3",
    )
    whole = context.quiet.rounds(
        partial(_whole, context.engines, context.count),
        wanted=min(3, context.rounds),
        spare=context.spare,
        what="frames to the topic",
    )
    rates, costs, peaks = zip(*(each.value for each in whole), strict=True)
    report.add("trades into the topic", rates, "records/s", at_least(15_000, aim=25_000), "one process")
    report.add("CPU of a trade, all of it", costs, "µs", note="Kafka's client and S3 too")
    report.add("peak RSS", median(peaks), "MB", at_most(200))
    late = context.quiet.rounds(
        partial(delays, context.engines),
        wanted=min(3, context.rounds),
        spare=context.spare,
        what=f"{RATE} trades a second",
    )
    p50, p99 = zip(*((percentile(each.value, 50), percentile(each.value, 99)) for each in late), strict=True)
    report.add(f"event → topic, p99 ÷ batch time ({RATE} trades/s)", p99, "", at_most(1.5), "batches of 1 s")
    report.add("event → topic, p50 ÷ batch time", p50)
    mended = context.quiet.rounds(
        partial(mending, context.engines, context.count), wanted=1, spare=context.spare, what="a hole is mended"
    )
    seconds = mended[0].value
    calls = -(-context.count // PAGE)
    report.add("trades brought by REST", context.count / seconds, "records/s", note=f"{calls} calls in {seconds:.1f} s")
    report.add(
        "a day of 3 million trades by REST",
        max(A_DAY * seconds / context.count, (A_DAY / PAGE * WEIGHT - BUDGET) / BUDGET * 60) / 60,
        "minutes",
        note=f"computed: {A_DAY // PAGE} calls of weight {WEIGHT}, of {BUDGET} a minute",
    )
    return report


class _Here:
    """Answers what the streams ask for."""

    def ask(self, call: Call, end_ms: int, wait: object) -> Response:
        return Response(200, {}, b'{"serverTime":%d}' % (time.time_ns() // 1_000_000))


def _to_disk(count: int) -> float:
    """Microseconds of CPU for each trade, in this process; a thread takes them out of the outbox."""
    port = free_port()
    with Child("benchmarks.exchange", {}, (str(port), str(count))) as exchange, TemporaryDirectory() as folder:
        exchange.wait_line("listens")
        url = f"http://127.0.0.1:{port}"
        stream = BinanceTrades(
            venue=BinanceVenue(ws_url=f"ws://127.0.0.1:{port}", base_url=url),
            base_url=url,
            symbols=SYMBOLS,
            symbol_list=whole_list(url),
        )
        outbox = Outbox(Path(folder), max_bytes=2**32)
        room = Room(
            stream.venue,
            [stream],
            ask={stream.feed.name: cast("PollOnce", _Here())},
            told=lambda _: StreamNote(),
            left=lambda *_: Left(),
            may_poll=lambda: True,
            outbox=outbox,
            health=Health(),
            metrics=PollerMetrics(CollectorRegistry()),
            clock=SystemClock(),
            batch_seconds=1.0,
            batch_records=10_000,
            kept=lambda *_: None,
        )
        stop = threading.Event()
        threads = [threading.Thread(target=run, args=(Loop(name, stop),), daemon=True) for name, run in room.threads()]
        began, kept = time.process_time(), 0
        for thread in threads:
            thread.start()
        while kept < count:
            exchange.require_alive()
            outbox.wait(DRAINS[0], 1.0)
            for entry in outbox.oldest(DRAINS[0]):
                kept += entry.records
                for drain in DRAINS:
                    outbox.done(drain, entry)
        used = time.process_time() - began
        stop.set()
        for thread in threads:
            thread.join(20)
        outbox.close()
        return used / count * 1e6


def place_for(engines: Engines, port: int, **texts: str) -> Place:
    """Where the poller brings what the exchange at that port tells."""
    place = engines.place(
        SOURCES="binance.trade",
        BINANCE_BASE_URL=f"http://127.0.0.1:{port}",
        BINANCE_WS_URL=f"ws://127.0.0.1:{port}",
        BINANCE_STREAM_SYMBOLS=",".join(SYMBOLS),
    )
    name = place.settings.kafka.topic
    topic_names = f"trade={name}.trades,gap={name}.gaps"
    place = place.with_texts(KAFKA_TOPICS=topic_names, OUTBOX_DIR=str(engines.folder / f"outbox-{name}"), **texts)
    place.make_topics(TICKER, TRADE, GAP)
    Store(place.settings.s3).make_bucket()
    return place


def _whole(engines: Engines, count: int) -> tuple[float, float, float]:
    """Records a second, microseconds of CPU for each, MB."""
    port = free_port()
    place = place_for(engines, port)
    with Child("benchmarks.exchange", {}, (str(port), str(count))) as exchange:
        exchange.wait_line("listens")
        with poller(place) as child:
            wait_until(
                lambda: child.metric("stream_frames") > 0, seconds=60, what="the first trade", alive=child, every=0.05
            )
            began, cpu = time.monotonic(), cpu_seconds(child.pid)
            wait_until(
                lambda: child.metric("records_published") >= count,
                seconds=600,
                what="all trades",
                alive=child,
                every=0.2,
            )
            seconds, used = time.monotonic() - began, cpu_seconds(child.pid) - cpu
            return count / seconds, used / count * 1e6, peak_rss_mb(child.pid)


def delays(engines: Engines) -> list[float]:
    """Seconds from the event's time to the moment when a consumer has the record, of each trade at a steady rate."""
    port = free_port()
    place = place_for(engines, port)
    topic = place.settings.kafka.topic_of(TRADE)
    count = RATE * (WARM_SECONDS + DELAY_SECONDS)
    consumer = Consumer(
        {
            "bootstrap.servers": place.texts["KAFKA_BROKERS_HOST_PORT"],
            "group.id": f"{topic}-delays",
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(PARTITIONS)])
    found: list[tuple[int, float]] = []
    with Child("benchmarks.exchange", {}, (str(port), str(count), "--rate", str(RATE))) as exchange:
        exchange.wait_line("listens")
        with poller(place) as child:
            while len(found) < count:
                child.require_alive()
                for message in consumer.consume(10_000, timeout=0.05):
                    now = time.time()
                    if value := message.value():
                        event_ms = moment_of(TRADE.codec.decode(value).timestamp)
                        found.append((event_ms, now - event_ms / 1000))
    consumer.close()
    begin_ms = min(found)[0] + WARM_SECONDS * 1000
    return [seconds for event_ms, seconds in found if event_ms >= begin_ms]


def mending(engines: Engines, count: int) -> float:
    """Seconds until a hole of so many trades is mended, all of them on the topic, within Binance's budget."""
    port = free_port()
    place = place_for(engines, port)
    arguments = (str(port), str(count + len(SYMBOLS)), "--hole", str(count))
    with Child("benchmarks.exchange", {}, arguments) as exchange:
        exchange.wait_line("listens")
        with poller(place) as child:
            # Of what is mended within a batch there is no gap.
            wait_until(lambda: child.metric("stream_frames") > 0, seconds=60, what="a hole", alive=child, every=0.02)
            began = time.monotonic()
            wait_until(
                lambda: child.metric("records_published") >= count,
                seconds=600,
                what="all that lacked",
                alive=child,
                every=0.1,
            )
            return time.monotonic() - began
