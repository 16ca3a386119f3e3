"""The indexer against the pass-through on the same engines, alternately: rate, own CPU, memory, Elasticsearch's CPU."""

from __future__ import annotations

from benchmarks.context import Context
from benchmarks.figures import Report, at_least, at_most, median
from benchmarks.measure import Run
from benchmarks.passthrough import COUNTED
from benchmarks.quiet import Round, words
from benchmarks.records import BEGIN_MS
from benchmarks.world import Child, Place, indexer


def passthrough(place: Place, connections: int, ids: str = COUNTED) -> Child:
    return Child("benchmarks.passthrough", place.texts, (str(connections), str(BEGIN_MS), ids))


def benchmark(context: Context) -> Report:
    """Each round is all three programs, one after the other, so that what drifts drifts for all; a round of which one
    part was disturbed is repeated as a whole."""
    in_flight = context.loaded().settings.indexer.bulk_in_flight
    programs = {
        "pass-through": lambda place: passthrough(place, 1),
        "pass-through, many": lambda place: passthrough(place, in_flight),
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
    report.add(
        "rate ÷ pass-through, one connection",
        [mine.rate / theirs.rate for mine, theirs in zip(ours, one, strict=True)],
        target=at_least(1.05, aim=1.15),
    )
    report.add(
        f"rate ÷ pass-through, {in_flight} connections",
        [mine.rate / theirs.rate for mine, theirs in zip(ours, many, strict=True)],
        target=at_least(0.95),
    )
    report.add("own CPU", [run.cpu_us for run in ours], "µs/record", at_most(14, aim=11))
    report.add("peak RSS", max(run.peak_rss_mb for run in ours), "MB", at_most(150, aim=130))
    report.add("rate", [run.rate for run in ours], "records/s")
    report.add("CPU of starting", [run.start_cpu_seconds for run in ours], "s", note="once per process")
    report.add("Elasticsearch's CPU", [run.engine_us for run in ours], "µs/record")
    report.add("pass-through: rate", [run.rate for run in one], "records/s")
    report.add("pass-through, many: rate", [run.rate for run in many], "records/s")
    report.add("pass-through: own CPU", [run.cpu_us for run in one], "µs/record")
    report.add("pass-through: Elasticsearch's CPU", [run.engine_us for run in one], "µs/record")
    report.add("fixed work", median(each.around.yardsticks[0] for each in rounds), "s", note="speed of this machine")
    return report
