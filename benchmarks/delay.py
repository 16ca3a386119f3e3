"""With 20 ms of network delay before Elasticsearch, against the same road without: does the indexer wait for it?"""

from __future__ import annotations

from benchmarks.context import Context
from benchmarks.figures import Report, at_least
from benchmarks.measure import Run
from benchmarks.quiet import words
from benchmarks.world import Place, indexer
from cryptoproxy.sandbox.proxy import FaultProxy

DELAY_SECONDS = 0.020


def benchmark(context: Context) -> Report:
    def through_proxy(delay: float) -> Run:
        place = context.loaded()
        with FaultProxy(place.settings.elasticsearch.url, delay=delay) as proxy:

            def start(at: Place):  # type: ignore[no-untyped-def]
                return indexer(at.with_texts(ES_URL_ENDPOINT=proxy.url))

            return context.over_elasticsearch(start, place)

    def one_round() -> tuple[Run, Run]:
        return through_proxy(0.0), through_proxy(DELAY_SECONDS)

    context.warm_up()
    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="delay")
    report = Report("delay", disturbed=words(rounds), facts={"records": context.count, "delay": DELAY_SECONDS})
    report.add(
        "rate with 20 ms ÷ without",
        [delayed.rate / plain.rate for plain, delayed in (each.value for each in rounds)],
        target=at_least(0.9),
    )
    report.add("rate without delay", [each.value[0].rate for each in rounds], "records/s", note="through the proxy")
    report.add("rate with 20 ms", [each.value[1].rate for each in rounds], "records/s")
    return report
