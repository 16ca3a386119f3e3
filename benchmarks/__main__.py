"""`python -m benchmarks [names] [--records N] [--rounds N] …`: runs them, prints a table, compares, stores.

Without names all that belong to `make bench`; only by name: `settings`, `bulks` and `compression`, as they measure
choices and not the program; `streamers` and `watchers`, which get other programs from their registry; `stream-memory`
and `watch-state`, which are long; `door`, `admission` and `switching`, which need Debian's nginx, wrk and chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import requests
from elastic_transport import TransportError
from elasticsearch import ApiError
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from benchmarks import (
    admission,
    bulks,
    cheap,
    compression,
    delay,
    door,
    history,
    indexing,
    latency,
    listening,
    memory,
    page,
    polling,
    results,
    scaling,
    settings,
    stream_memory,
    streamers,
    streaming,
    switching,
    watch_state,
    watchers,
    watching,
)
from benchmarks.context import Context
from benchmarks.figures import Report
from benchmarks.quiet import Quiet
from benchmarks.world import BenchmarkError, Engines
from cryptoproxy.errors import CryptoProxyError

BENCHMARKS: Mapping[str, Callable[[Context], Report]] = {
    "indexing": indexing.benchmark,
    "standin": cheap.benchmark,
    "delay": delay.benchmark,
    "latency": latency.benchmark,
    "polling": polling.benchmark,
    "memory": memory.benchmark,
    "streaming": streaming.benchmark,
    "streamers": streamers.benchmark,
    "stream-memory": stream_memory.benchmark,
    "scaling": scaling.benchmark,
    "watch": watching.benchmark,
    "watch-state": watch_state.benchmark,
    "watchers": watchers.benchmark,
    "listening": listening.benchmark,
    "door": door.benchmark,
    "admission": admission.benchmark,
    "switching": switching.benchmark,
    "history": history.benchmark,
    "settings": settings.benchmark,
    "bulks": bulks.benchmark,
    "compression": compression.benchmark,
}
BY_NAME_ONLY = (
    "door",
    "admission",
    "switching",
    "streamers",
    "stream-memory",
    "watch-state",
    "watchers",
    "history",
    "settings",
    "bulks",
    "compression",
)
FAILURES = (
    BenchmarkError,
    CryptoProxyError,
    KafkaError,
    ApiError,
    TransportError,
    requests.RequestException,
    TimeoutError,
)
"""What engines and clients under this load may answer: the other benchmarks still run."""

console = Console()


def main() -> int:
    arguments = _arguments()
    names = arguments.names or [name for name in BENCHMARKS if name not in BY_NAME_ONLY]
    reports: list[Report] = []
    failed: list[str] = []
    before = results.load(arguments.results)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, Engines.up(Path(folder), _say) as engines:
        context = Context(
            engines, Quiet(ours=engines.ours, say=_say), _say, count=arguments.records, rounds=arguments.rounds,
            spare=arguments.spare, memory_records=arguments.memory_records,
        )  # fmt: skip
        _say(f"fixed work takes {context.quiet.calibrate() * 1000:.1f} ms here")
        for name in names:
            began = time.monotonic()
            _say(f"{name} …")
            try:
                report = BENCHMARKS[name](context)
            except FAILURES as error:
                failed.append(f"{name}: {error}")
                _say(f"{name} failed: {error}")
                continue
            reports.append(report)
            _print(report, time.monotonic() - began)
            _keep(report, arguments)
    _summary(reports, before)
    for line in failed:
        _say(f"[red]{line}[/red]")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks on the real engines")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--records", type=int, default=300_000, help="in a round (300000)")
    parser.add_argument("--rounds", type=int, default=5, help="quiet ones wanted (5)")
    parser.add_argument("--spare", type=int, default=3, help="more that may be tried instead of disturbed ones (3)")
    parser.add_argument("--memory-records", type=int, default=2_000_000, help="of the memory benchmarks (2000000)")
    parser.add_argument("--results", type=Path, default=results.LAST, help="the stored result to compare with")
    parser.add_argument("--store", action="store_true", help="as the one to compare with, and for docs/performance.md")
    parser.add_argument("--json", type=Path, help="write this result there")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return arguments


def _keep(report: Report, arguments: argparse.Namespace) -> None:
    """At once, so that a run that is broken off is not lost."""
    new = results.as_json([report], when=datetime.now(UTC).isoformat(timespec="seconds"))
    if arguments.json is not None:
        results.store(new, arguments.json)
    if arguments.store:
        results.store(new, arguments.results)
        page.write(results.load(arguments.results))


def _say(text: str) -> None:
    console.print(text, highlight=False)


def _print(report: Report, seconds: float) -> None:
    for figure in report.figures:
        target = "" if figure.target is None else f"   {figure.target}: {_word(figure.reached)}"
        note = f"   [dim]{figure.note}[/dim]" if figure.note else ""
        _say(f"  {figure.name}: {page.number(figure.value)} {figure.unit}{target}{note}")
    if report.disturbed:
        _say(f"  [yellow]{report.disturbed}[/yellow]")
    _say(f"  [dim]{seconds:.0f} s[/dim]")


def _summary(reports: list[Report], stored: Mapping[str, object]) -> None:
    table = Table(title="Targets")
    for heading in ("benchmark", "figure", "value", "target", "", "before"):
        table.add_column(heading)
    for report in reports:
        changes = {change.name: change for change in results.compare(stored, report)}
        for figure in report.figures:
            if figure.target is None:
                continue
            change = changes.get(figure.name)
            before = (
                "" if change is None or not change.comparable else f"{page.number(change.old)} ({change.ratio:.2f} ×)"
            )
            mark = _word(figure.reached) + (" [yellow](disturbed)[/yellow]" if report.disturbed else "")
            table.add_row(
                report.benchmark,
                figure.name,
                f"{page.number(figure.value)} {figure.unit}",
                str(figure.target),
                mark,
                before,
            )
    console.print(table)


def _word(reached: bool | None) -> str:
    return "" if reached is None else "[green]reached[/green]" if reached else "[red]not reached[/red]"


if __name__ == "__main__":
    sys.exit(main())
