"""Memory of the poller over millions of trades that come by stream, the whole road, at a rate that it shall keep up
with: `--memory-records 30000000`.
"""

from __future__ import annotations

import time

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb, rss_mb
from benchmarks.figures import Report, at_least, at_most, median
from benchmarks.memory import WINDOW
from benchmarks.streaming import place_for
from benchmarks.world import BenchmarkError, Child, free_port, poller

LOOK_SECONDS = 0.5
RATE = 20_000
"""Trades a second. An exchange that talks as fast as it is taken fills the outbox first, whose bound is on the disk."""


def benchmark(context: Context) -> Report:
    wanted = context.memory_records
    port = free_port()
    place = place_for(context.engines, port, KAFKA_TOPIC_RETENTION="120s")
    seen: list[tuple[float, float]] = []
    waits: list[float] = []
    began = time.monotonic()
    with Child("benchmarks.exchange", {}, (str(port), str(wanted), "--rate", str(RATE))) as exchange:
        exchange.wait_line("listens")
        with poller(place) as child:
            child.wait_line("health and metrics at")
            while (done := child.metric("records_published")) < wanted:
                child.require_alive()
                seen.append((done, rss_mb(child.pid)))
                waits.append(child.metric("outbox_bytes"))
                time.sleep(LOOK_SECONDS)
            peak, seconds = peak_rss_mb(child.pid), time.monotonic() - began
            used = cpu_seconds(child.pid)
    settled = [rss for done, rss in seen if WINDOW * wanted <= done < 2 * WINDOW * wanted]
    last = [rss for done, rss in seen if done >= (1 - WINDOW) * wanted]
    if not settled or not last:
        raise BenchmarkError(f"{wanted} trades are too few to tell growth; take 1000000 or more")
    report = Report("stream-memory", facts={"trades": wanted})
    report.add("RSS of the last fifth ÷ of the second", median(last) / median(settled), target=at_most(1.1))
    report.add("RSS of the last fifth, median", median(last), "MB", note=f"{min(last):.0f} to {max(last):.0f}")
    report.add("peak RSS", peak, "MB", at_most(200))
    report.add("trades into the topic", wanted / seconds, "records/s", at_least(15_000), f"{RATE} a second come")
    report.add("CPU of a trade, all of it", used / wanted * 1e6, "µs", note="Kafka's client and S3 too")
    report.add("waits in the outbox, median", median(waits) / 1e6, "MB", note=f"at most {max(waits) / 1e6:.0f}")
    return report
