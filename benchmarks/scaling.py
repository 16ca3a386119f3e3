"""1, 2 and 4 indexers over one topic: how much more they do, and what each record costs then."""

from __future__ import annotations

import os

from benchmarks.context import Context, load_frozen, wait_for_group
from benchmarks.figures import Report
from benchmarks.measure import Run, run
from benchmarks.quiet import words
from benchmarks.records import records
from benchmarks.world import Child, indexer

PROCESSES = (1, 2, 4)


def benchmark(context: Context) -> Report:
    def over_elasticsearch(processes: int) -> Run:
        place = context.engines.place()
        place.make_topics()
        place.make_index()
        children: list[Child] = []
        try:
            children += [indexer(place) for _ in range(processes)]
            wait_for_group(place, children)
            load_frozen(place, children, records(context.count))
            return run(
                children,
                count=context.count,
                through=place.documents,
                engine=context.engines.elasticsearch_cpu,
            )
        finally:
            for child in children:
                child.stop()
            place.remove_index()
            place.remove_topic()

    def one_round() -> list[Run]:
        return [over_elasticsearch(processes) for processes in PROCESSES]

    context.warm_up()
    rounds = context.quiet.rounds(one_round, wanted=min(2, context.rounds), spare=min(1, context.spare), what="scaling")
    report = Report("scaling", disturbed=words(rounds), facts={"records": context.count, "cores": os.cpu_count() or 0})
    for number, processes in enumerate(PROCESSES):
        made = [each.value[number] for each in rounds]
        report.add(f"{processes} processes: rate", [each.rate for each in made], "records/s")
        report.add(f"{processes} processes: own CPU", [each.cpu_us for each in made], "µs/record")
        if number:
            report.add(
                f"{processes} processes: speed-up",
                [each.value[number].rate / each.value[0].rate for each in rounds],
                note=f"on {os.cpu_count()} cores, which Kafka and Elasticsearch share",
            )
    return report
