"""`watch`: rules over a topic that is loaded already, with nothing to do, with one rule, with fifty over 500 assets;
then how soon an alert is there."""

from __future__ import annotations

from benchmarks import alerting
from benchmarks.context import Context
from benchmarks.figures import Report, at_least, at_most, percentile
from benchmarks.measure import Run, run
from benchmarks.quiet import words
from benchmarks.records import Made, records
from benchmarks.watched import ASSETS, STEP_MS, at_the_begin, fifty, place_for, watch
from benchmarks.world import Place

ONE = "rules:\n  one: {when: {above: 1000000000}}\n"
WAYS = {
    "no rule for any asset": ("rules:\n  none: {assets: [nobody], when: {above: 1}}\n", "cryptoproxy.cli.main"),
    "an empty function": (ONE, "benchmarks.nothing_done"),
    "one": (ONE, "cryptoproxy.cli.main"),
    "fifty": (fifty(), "cryptoproxy.cli.main"),
}


def benchmark(context: Context) -> Report:
    place = place_for(context)
    made: list[Made] = list(records(context.count, step_ms=STEP_MS, coins=ASSETS))
    place.load(made)

    def one_round() -> dict[str, Run]:
        return {name: _run(context, place, *way) for name, way in WAYS.items()}

    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="watch")
    report = Report("watch", disturbed=words(rounds), facts={"records": context.count, "assets": ASSETS})
    by_way = {name: [each.value[name] for each in rounds] for name in WAYS}
    for name, runs in by_way.items():
        target = at_least(20_000, aim=40_000) if name == "fifty" else None
        report.add(f"rate, {name}", [each.rate for each in runs], "records/s", target)
        report.add(f"own CPU, {name}", [each.cpu_us for each in runs], "µs/record")
    for name in ("an empty function", "one"):
        report.add(
            f"rate of fifty ÷ of {name}",
            [b.rate / a.rate for a, b in zip(by_way[name], by_way["fifty"], strict=True)],
            target=at_least(0.5) if name == "an empty function" else None,
        )
    report.add("peak RSS, fifty", max(each.peak_rss_mb for each in by_way["fifty"]), "MB", None)
    waits = alerting.waits(context)
    for percent, target in ((99, at_most(1_000)), (50, None)):
        report.add(f"record acknowledged → alert can be read, p{percent}", percentile(waits, percent), "ms", target,
                   f"{len(waits)} alerts, {alerting.RATE} records/s, fifty rules")  # fmt: skip
    return report


def _run(context: Context, place: Place, rules: str, module: str) -> Run:
    """One process over the whole topic, as if it had been at its begin when it stopped."""
    at_the_begin(place)
    with watch(context, place, rules, module) as child:
        child.wait_line("share 0 is back")
        return run([child], count=context.count, through=lambda: int(child.metric("watch_records")), engine=lambda: 0.0)
