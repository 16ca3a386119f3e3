"""The indexer against the pass-through on the same engines, alternately: rate, own CPU, memory, Elasticsearch's CPU.

The yardstick is what somebody would write who wants nothing but speed and ids: one connection, 5,000 records a request.
Over as many connections as the indexer has, and with as many records in a request, it shows what these alone do.
"""

from __future__ import annotations

from benchmarks.context import Context
from benchmarks.figures import Report, at_least, at_most, median
from benchmarks.measure import Run
from benchmarks.passthrough import PLACE
from benchmarks.quiet import Round, words
from benchmarks.records import BEGIN_MS
from benchmarks.world import Child, Place, indexer

RECORDS = 5000
"""In a request of the yardstick."""


def passthrough(place: Place, connections: int, *, records: int, ids: str = PLACE) -> Child:
    return Child("benchmarks.passthrough", place.texts, (str(connections), str(records), str(BEGIN_MS), ids))


def benchmark(context: Context) -> Report:
    """Each round is all three programs, one after the other, so that what drifts drifts for all; a round of which one
    part was disturbed is repeated as a whole."""
    settings = context.loaded().settings.indexer
    in_flight = settings.bulk_in_flight
    programs = {
        "pass-through": lambda place: passthrough(place, 1, records=RECORDS),
        "pass-through, many": lambda place: passthrough(place, in_flight, records=settings.bulk_records),
        "indexer": indexer,
    }

    def one_round() -> dict[str, Run]:
        return {name: context.over_elasticsearch(start, context.loaded()) for name, start in programs.items()}

    context.warm_up()
    rounds: list[Round[dict[str, Run]]] = context.quiet.rounds(
        one_round, wanted=context.rounds, spare=context.spare, what="indexing"
    )
    report = Report("indexing", disturbed=words(rounds), facts={"records": context.count, "in_flight": in_flight})
    one, many, ours = ([each.value[name] for each in rounds] for name in programs)
    pairs = list(zip(ours, one, strict=True))
    report.add(
        "from the first document ÷ pass-through",
        [mine.from_first / theirs.from_first for mine, theirs in pairs],
        target=at_least(1.1),
    )
    report.add(
        "from the start ÷ pass-through",
        [mine.from_start / theirs.from_start for mine, theirs in pairs],
        target=at_least(1.03),
    )
    report.add(
        f"from the first document ÷ pass-through, {in_flight} connections",
        [mine.from_first / theirs.from_first for mine, theirs in zip(ours, many, strict=True)],
        target=at_least(0.95),
    )
    report.add("own CPU", [run.cpu_us for run in ours], "µs/record", at_most(14, aim=11))
    report.add("peak RSS", max(run.peak_rss_mb for run in ours), "MB", at_most(150, aim=130))
    report.add("rate", [run.rate for run in ours], "records/s", note="once it runs")
    report.add("CPU of starting", [run.start_cpu_seconds for run in ours], "s", note="once per process")
    for name, runs in (("indexer", ours), ("pass-through", one), ("pass-through, many", many)):
        report.add(f"{name}: rate from the start", [run.from_start for run in runs], "records/s")
        report.add(f"{name}: rate from the first document", [run.from_first for run in runs], "records/s")
        report.add(f"{name}: start → first document", [run.first_seconds for run in runs], "s")
        report.add(f"{name}: own CPU from the start", [run.whole_cpu_us for run in runs], "µs/record")
        report.add(f"{name}: Elasticsearch's CPU", [run.whole_engine_us for run in runs], "µs/record")
    report.add("fixed work", median(each.around.yardsticks[0] for each in rounds), "s", note="speed of this machine")
    return report
