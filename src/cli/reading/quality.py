"""`cryptoproxy quality`: how good a day's data is."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.cli.tables import print_table
from cryptoproxy.cli.upkeep.backfill import Unproved
from cryptoproxy.cli.values import day_of
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.start import start
from cryptoproxy.datasets import DATASETS, Dataset
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.lake.form import Fault


@click.command()
@dataset_option("all")
@click.option(
    "--date", "day", callback=day_of, metavar="DATE", required=True, help="A day, UTC: 2026-11-01, yesterday."
)
@click.option("--source", "sources", multiple=True, help="Only this source. May be repeated.")
@click.option(
    "--missing-at-most", "bound", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Exit code 1 where more than that is missing of a feed, or nothing is there at all.",
)  # fmt: skip
@click.option(
    "--metrics", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Also write it there for Prometheus' textfile collector.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, no table.")
@click.pass_obj
@click.pass_context
def quality(
    context: click.Context,
    env_file: Path,
    *,
    datasets: list[Dataset[Any]],
    day: int,
    sources: tuple[str, ...],
    bound: float | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """What of a day is missing, doubled, broken or old, by feed: the lake's records, dead letters, documents.

    Exit code 1 if something in the lake cannot be read, or more is missing than is allowed; 3 if lake, dead letters or
    Elasticsearch cannot be asked.
    """
    from cryptoproxy.consumer.backfill import wiring
    from cryptoproxy.consumer.letters import reader
    from cryptoproxy.lake.store import Store
    from cryptoproxy.quality import measure, report

    now_ms = SystemClock().now_ms()
    span = Span(day, min(day + DAY_MS, now_ms))
    if span.empty:
        raise click.UsageError("--date is a day that has not begun")
    settings = start(env_file)
    chosen = [each for each in datasets or DATASETS.values() if not each.compacted]
    wait = threading.Event().wait

    def told(fault: Fault) -> None:
        click.echo(f"cannot be read: {str(fault)[:1000]}", err=True)

    try:
        letters = Patience("Kafka", wait)(lambda: measure.violations(reader.read_letters(settings.kafka), span))
        store = Store(settings.s3, patiently=Patience("S3", wait))
        rows = list(measure.measured(store, chosen, span, sources=sources, broken=letters, report=told))
        index = []
        for dataset in wiring.set_up_datasets(settings):
            if dataset in chosen:
                with closing(wiring.documents(settings, dataset, wait)) as documents:
                    index += measure.indexed(rows, dataset, documents, span, sources)
    except CryptoProxyError as error:
        raise Unproved(str(error)) from error
    if file is not None:
        report.write_metrics(rows, span, file)
    if as_json:
        click.echo(json.dumps(report.as_json(rows, index, span), indent=2))
    else:
        print_table(report.table(rows, span))
        for line in report.words(rows, index, span):
            click.echo(line)
    known = {row.source for row in rows}
    silent = [each for each in sources if each not in known] or ([] if rows else ["any source"])
    if silent:  # so no share is missing, of a slip as of an outage of two days
        click.echo(f"nothing of {', '.join(silent)} is in the lake, of that day or the day before", err=True)
    bad = [row for row in rows if row.unreadable or (bound is not None and (row.missing_share or 0) * 100 > bound)]
    context.exit(1 if bad or (silent and bound is not None) else 0)
