"""Batch: what `cryptoproxy reconcile` does, by its code, of many days side by side, a day for each task. Ends with 1
where lake and index differ, and with the commands that mend it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

from rich.console import Console
from session import arguments, session, settings, span_of

from cryptoproxy.cli.upkeep.backfill import UNPROVED
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill import report, wiring
from cryptoproxy.consumer.backfill.reconcile import Reconciled
from cryptoproxy.datasets import called
from cryptoproxy.datasets.times import DAY_MS, Span

WIDE = 160


def on_a_worker(found: Settings, name: str, *, quick: bool) -> Callable[[Span], Reconciled]:
    """What is called there knows only installed packages, not the jobs' folder."""

    def one(span: Span) -> Reconciled:
        dataset, _ = called(name)
        silent = Console(file=io.StringIO())
        return wiring.reconciled(found, dataset, span, sources=None, quick=quick, console=silent)

    return one


def main(words: list[str] | None = None) -> Reconciled:
    """What it comes to.

    Raises:
        SystemExit: they differ.
    """
    parser = arguments("Holds the ids of the lake against documents and dead letters, days side by side.")
    parser.add_argument("--quick", action="store_true", help="take hours whose counts agree as equal: no proof")
    given = parser.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    name = dataset.called(part)
    days = list(span.parts(DAY_MS))
    if not days:
        sys.exit("there is no day between --from and --to")
    spark = session(f"reconcile-{dataset.name}", found)
    work = on_a_worker(found, name, quick=given.quick)
    done = spark.sparkContext.parallelize(days, len(days)).map(work).collect()
    spark.stop()
    whole = Reconciled(span, quick=given.quick, dead=done[0].dead)
    for each in done:
        whole.hours |= each.hours
        whole.faults += each.faults
    mend = report.mending(whole, command=["cryptoproxy"], dataset=dataset.name)
    Console(width=WIDE).print(report.table(whole, dataset.name))
    for line in report.words(whole, mend=mend, left_out_from_ms=None):
        print(line)
    if not whole.agrees:
        sys.exit(UNPROVED if whole.faults else 1)
    return whole


if __name__ == "__main__":
    main()
