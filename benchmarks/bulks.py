"""How many bulk requests at once, and how large: the indexer with each choice, from the first document, against the
pass-through in the same round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.context import Context
from benchmarks.figures import Report
from benchmarks.indexing import RECORDS, passthrough
from benchmarks.measure import Run
from benchmarks.quiet import words
from benchmarks.world import Child, Place, indexer

IN_FLIGHT = (1, 2, 3)
MOST_RECORDS = (2000, 5000)


def _started(in_flight: int, records: int, place: Place) -> Child:
    return indexer(place.with_texts(BULK_IN_FLIGHT=str(in_flight), BULK_MAX_RECORDS=str(records), BULK_MAX_SIZE="8MiB"))


def benchmark(context: Context) -> Report:
    programs: Mapping[str, Callable[[Place], Child]] = {
        "pass-through": lambda place: passthrough(place, 1, records=RECORDS),
        **{
            f"{count} × {records}": partial(_started, count, records) for records in MOST_RECORDS for count in IN_FLIGHT
        },
    }

    def one_round() -> dict[str, Run]:
        return {name: context.over_elasticsearch(start, context.loaded()) for name, start in programs.items()}

    context.warm_up()
    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="bulks")
    report = Report("bulks", disturbed=words(rounds), facts={"records": context.count})
    for name in programs:
        runs = [each.value[name] for each in rounds]
        ratios = [each.value[name].from_first / each.value["pass-through"].from_first for each in rounds]
        report.add(f"{name}: from the first document ÷ pass-through", ratios)
        report.add(f"{name}: own CPU", [run.whole_cpu_us for run in runs], "µs/record")
        report.add(f"{name}: Elasticsearch's CPU", [run.whole_engine_us for run in runs], "µs/record")
        report.add(f"{name}: peak RSS", [run.peak_rss_mb for run in runs], "MB")
    return report
