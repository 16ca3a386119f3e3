"""`standin`: what the indexer itself costs, before an Elasticsearch that answers at once; two processes against one."""

from __future__ import annotations

from benchmarks.context import Context
from benchmarks.figures import Report, at_most
from benchmarks.measure import Run
from benchmarks.quiet import words


def benchmark(context: Context) -> Report:
    def one_round() -> tuple[Run, Run]:
        return context.over_standin(context.loaded()), context.over_standin(context.engines.place(), 2)

    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="standin")
    report = Report("standin", disturbed=words(rounds), facts={"records": context.count})
    one, two = ([each.value[number] for each in rounds] for number in (0, 1))
    report.add("own CPU", [run.cpu_us for run in one], "µs/record", at_most(14, aim=11))
    report.add(
        "own CPU of two processes ÷ of one",
        [pair.cpu_us / single.cpu_us for single, pair in zip(one, two, strict=True)],
        target=at_most(1.1),
    )
    report.add("rate", [run.rate for run in one], "records/s")
    report.add("rate of two processes", [run.rate for run in two], "records/s")
    report.add("peak RSS", max(run.peak_rss_mb for run in one), "MB", at_most(150, aim=130))
    return report
