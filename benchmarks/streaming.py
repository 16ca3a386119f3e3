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

from prometheus_client import CollectorRegistry

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb
from benchmarks.exchange import SYMBOLS
from benchmarks.figures import Report, at_least, at_most, median
from benchmarks.world import Child, Engines, free_port, poller, wait_until
from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.datasets import GAP, TRADE
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.feeds.stream.room import Room
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.producer.outbox.outbox import DRAINS
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.trades import BinanceTrades
from cryptoproxy.upstreams.binance.venue import BinanceVenue
from cryptoproxy.upstreams.streaming.stream import Left


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


def _whole(engines: Engines, count: int) -> tuple[float, float, float]:
    """Records a second, microseconds of CPU for each, MB."""
    port = free_port()
    place = engines.place(
        SOURCES="binance.trade",
        BINANCE_BASE_URL=f"http://127.0.0.1:{port}",
        BINANCE_WS_URL=f"ws://127.0.0.1:{port}",
        BINANCE_STREAM_SYMBOLS=",".join(SYMBOLS),
    )
    name = place.settings.kafka.topic
    place = place.with_texts(KAFKA_TOPICS=f"trade={name}.trades,gap={name}.gaps")
    place.make_topics()
    admin = kafka_client.admin(place.settings.kafka)
    try:
        list(topics.set_up(admin, place.settings.kafka, (TRADE, GAP)))
    finally:
        admin.close()
    Store(place.settings.s3).make_bucket()
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
