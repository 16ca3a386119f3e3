"""Memory over millions of records, before the stand-in: the same records again and again, as fast as they are taken."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.context import Context, standin, taken
from benchmarks.cost import peak_rss_mb, rss_mb
from benchmarks.figures import Report, at_most, median
from benchmarks.records import records
from benchmarks.world import BenchmarkError, Child, Place, indexer

LOOP = 250_000
AHEAD = 1_500_000
"""Records on the topic that are not taken yet: its disk is bounded, and the indexer never waits."""
LOOK_SECONDS = 0.2
WINDOW = 0.2
"""Share of the records. The first fifth is for settling; growth is the last fifth against the second, by the median of
what was seen in each: from one batch to the next memory goes up and down by a fifth of itself, so single looks tell
nothing."""


def benchmark(context: Context) -> Report:
    made = list(records(LOOP))
    wanted = context.memory_records
    place = context.engines.place(KAFKA_TOPIC_RETENTION="120s")
    place.make_topics()
    seen: list[tuple[int, float]] = []
    ended = threading.Event()

    def look(at: Place, child: Child) -> None:
        while not ended.wait(LOOK_SECONDS):
            seen.append((taken(at), rss_mb(child.pid)))

    with standin(place) as (_, at), indexer(at) as child, ThreadPoolExecutor(1, "memory") as pool:
        looking = pool.submit(look, at, child)
        try:
            sent = 0
            while (done := taken(at)) < wanted:
                child.require_alive()
                if sent < wanted and sent - done < AHEAD:
                    sent += place.load(made)
                else:
                    time.sleep(LOOK_SECONDS)
            peak = peak_rss_mb(child.pid)
        finally:
            ended.set()
        looking.result()
    settled = [rss for done, rss in seen if WINDOW * wanted <= done < 2 * WINDOW * wanted]
    last = [rss for done, rss in seen if done >= (1 - WINDOW) * wanted]
    if not settled or not last:
        raise BenchmarkError(f"{wanted} records are too few to tell growth; take 1000000 or more")
    report = Report("memory", facts={"records": wanted})
    report.add("RSS of the last fifth ÷ of the second", median(last) / median(settled), target=at_most(1.1))
    report.add("RSS of the last fifth, median", median(last), "MB", note=f"{min(last):.0f} to {max(last):.0f}")
    report.add("peak RSS", peak, "MB", at_most(150, aim=130))
    return report
