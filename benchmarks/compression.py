"""Bulk requests compressed or not (``BULK_COMPRESS``), on loopback and over a network of 100 Mbit/s."""

from __future__ import annotations

from contextlib import nullcontext

from benchmarks.context import Context
from benchmarks.figures import Report
from benchmarks.link import Link
from benchmarks.measure import Run
from benchmarks.quiet import words
from benchmarks.world import Child, Place, indexer

BYTES_PER_SECOND = 100e6 / 8


def benchmark(context: Context) -> Report:
    def one_run(compress: str, *, over_link: bool) -> Run:
        place = context.loaded().with_texts(BULK_COMPRESS=compress)
        url = place.settings.elasticsearch.url
        with Link(url, BYTES_PER_SECOND) if over_link else nullcontext() as link:

            def start(at: Place) -> Child:
                return indexer(at.with_texts(ES_URL_ENDPOINT=link.url) if link else at)

            return context.over_elasticsearch(start, place)

    def one_round() -> dict[tuple[str, str], Run]:
        return {
            (road, what): one_run(compress, over_link=over_link)
            for road, over_link in (("loopback", False), ("100 Mbit/s", True))
            for what, compress in (("plain", "false"), ("compressed", "true"))
        }

    context.warm_up()
    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="compression")
    report = Report("compression", disturbed=words(rounds), facts={"records": context.count})
    for road, what in rounds[0].value:
        runs = [each.value[road, what] for each in rounds]
        report.add(f"{road}, {what}: rate", [run.rate for run in runs], "records/s")
        report.add(f"{road}, {what}: own CPU", [run.cpu_us for run in runs], "µs/record")
        report.add(f"{road}, {what}: Elasticsearch's CPU", [run.engine_us for run in runs], "µs/record")
    return report
