"""Memory over millions of records, before the stand-in: the same records again and again, as fast as they are taken."""

from __future__ import annotations

import time

from benchmarks.context import Context, standin, taken
from benchmarks.cost import peak_rss_mb, rss_mb
from benchmarks.figures import Report, at_most
from benchmarks.records import records
from benchmarks.world import BenchmarkError, indexer

LOOP = 250_000
AHEAD = 1_500_000
"""Records on the topic that are not taken yet: its disk is bounded, and the indexer never waits."""
SETTLED = 0.2
"""Share of the records after which memory is taken for settled: growth counts from there."""


def benchmark(context: Context) -> Report:
    made = list(records(LOOP))
    wanted = context.memory_records
    place = context.engines.place(KAFKA_TOPIC_RETENTION="120s")
    place.make_topics()
    with standin(place) as (_, at), indexer(at) as child:
        sent, settled = 0, 0.0
        while (done := taken(at)) < wanted:
            child.require_alive()
            if sent < wanted and sent - done < AHEAD:
                sent += place.load(made)
            else:
                time.sleep(0.2)
            if not settled and done > wanted * SETTLED:
                settled = rss_mb(child.pid)
        last, peak = rss_mb(child.pid), peak_rss_mb(child.pid)
    if not settled:
        raise BenchmarkError(f"{wanted} records are too few to tell growth; take 1000000 or more")
    report = Report("memory", facts={"records": wanted})
    report.add("RSS at the end ÷ after a fifth", last / settled, target=at_most(1.1))
    report.add("peak RSS", peak, "MB", at_most(150, aim=130))
    return report
