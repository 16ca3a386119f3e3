"""`cryptoproxy replay | reconcile | retention`: the lake against the index."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins
from rich.console import Console

from cryptoproxy.cli.datasets import dataset_option, indexed
from cryptoproxy.cli.tables import print_table
from cryptoproxy.cli.upkeep import lacking
from cryptoproxy.cli.values import moment, seconds, word
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import process
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import start
from cryptoproxy.datasets import DATASETS, TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import CryptoProxyError

UNPROVED = 3
"""Exit code where lake, Elasticsearch or dead letters could not be read, so that nothing is said of a difference."""


class Unproved(click.ClickException):
    """What stands in the way of a comparison."""

    exit_code = UNPROVED


_from = click.option(
    "--from",
    "begin",
    callback=moment,
    metavar="TIME",
    help="First slot: a date, a time (UTC), or `yesterday`.",
)
_to = click.option(
    "--to",
    "end",
    callback=moment,
    metavar="TIME",
    help="End, not included: a date, a time (UTC), or `today`.",
)
_source = click.option("--source", "sources", multiple=True, help="Only this source. May be repeated.")


def _chosen(settings: Settings, datasets: list[Dataset[Any]]) -> list[Dataset[Any]]:
    """Those that were named and are indexed, or all that are set up."""
    from cryptoproxy.consumer.backfill import wiring

    if datasets and not indexed(datasets):
        raise click.UsageError(f"{datasets[0].name} is not indexed")
    return indexed(datasets) or wiring.set_up_datasets(settings) or [TICKER]


def _of_each(
    settings: Settings, datasets: list[Dataset[Any]], sources: tuple[str, ...], work: Callable[[Dataset[Any]], bool]
) -> bool:
    """Whether ``work`` was well for every dataset. A source need not be in each, where none was named."""
    from cryptoproxy.consumer.backfill.reconcile import UnknownSourceError

    chosen = _chosen(settings, datasets)
    well, unknown = True, []
    for dataset in chosen:
        try:
            well = work(dataset) and well
        except UnknownSourceError as error:
            unknown.append(error)
    if unknown and (datasets or not sources or len(unknown) == len(chosen)):
        raise unknown[0]
    return well


@click.command()
@dataset_option("all that are set up")
@_from
@_to
@_source
@click.option("--topic", callback=word, metavar="NAME",
              help="To this topic instead of the index; of one --dataset, tickers without.")  # fmt: skip
@click.option("--to-live-topic", is_flag=True, help="Allow a dataset's own --topic: its readers take old for new.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Most records per second; no limit without.")
@click.option("--no-resume", is_flag=True, help="Start anew, not after the last hour that an earlier start finished.")
@click.option(
    "--progress-dir", type=click.Path(path_type=Path, file_okay=False), metavar="PATH",
    help="Where it marks how far it has got; without, the folder `replay` beside OUTBOX_DIR.",
)  # fmt: skip
@click.pass_obj
@click.pass_context
def replay(
    context: click.Context,
    env_file: Path,
    *,
    datasets: list[Dataset[Any]],
    begin: int | None,
    end: int | None,
    sources: tuple[str, ...],
    topic: str | None,
    to_live_topic: bool,
    rate: float | None,
    no_resume: bool,
    progress_dir: Path | None,
) -> None:
    """Read the lake into the index again, by the indexer's own path.

    Times are UTC: 2026-11-01, 2026-11-01T10:00:00Z, today, yesterday, 12h or 7d ago; --to is not included.
    What is there already stays as it is. Exit code 1 if something in the lake cannot be used: it is named, and the rest
    goes on.
    """
    from cryptoproxy.consumer.backfill import wiring

    span = _span(begin, end)
    settings = start(env_file)
    if to_live_topic and topic is None:
        raise click.UsageError("--to-live-topic goes with --topic")
    live = {each for dataset in DATASETS.values() for each in settings.kafka.topics_of(dataset)}
    if topic in live and not to_live_topic:
        raise click.UsageError(
            f"{topic} is a live topic, whose readers would take old prices for new; --to-live-topic allows it"
        )
    if topic is not None and len(datasets) > 1:
        raise click.UsageError("--topic goes with one --dataset")
    process.settle()

    def work(dataset: Dataset[Any]) -> bool:
        totals = wiring.replay(
            settings,
            dataset,
            span,
            sources=sources or None,
            topic=topic,
            rate=rate,
            resume=not no_resume,
            progress_dir=progress_dir or wiring.progress_folder(settings),
            console=Console(stderr=True),
        )
        done = (
            f"{totals.written} sent to {topic}" if topic else f"{totals.written} indexed, {totals.known} there already"
        )
        click.echo(f"{dataset.name} {span}: {totals.read} records of the lake, {done}, {totals.poison} poison")
        return not totals.poison

    if topic is not None:
        datasets = datasets or [TICKER]
    context.exit(0 if _of_each(settings, datasets, sources, work) else 1)


@click.command()
@dataset_option("all that are set up")
@_from
@_to
@_source
@click.option(
    "--grace", callback=seconds, metavar="SPAN", default="5m", show_default=True,
    help="Leave out slots younger than this: they may still be on their way.",
)  # fmt: skip
@click.option(
    "--quick/--every-id",
    default=False,
    help="Take hours whose counts agree as equal. Sooner done, and no proof: see docs/promise.md.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON object for each dataset, no table; ids up to 1000 an hour.",
)
@click.pass_obj
@click.pass_context
def reconcile(
    context: click.Context,
    env_file: Path,
    *,
    datasets: list[Dataset[Any]],
    begin: int | None,
    end: int | None,
    sources: tuple[str, ...],
    grace: float,
    quick: bool,
    as_json: bool,
) -> None:
    """Hold the ids of the lake against documents and dead letters, by source and hour.

    Times are UTC: 2026-11-01, 2026-11-01T10:00:00Z, today, yesterday, 12h or 7d ago; --to is not included.
    Exit code 1 where they differ, with the replay command that mends it; 3 if one of the sides cannot be read. What is
    away for a while is waited for. Gaps of streams and histories in this time are told as well: neither side has what
    they lack.
    """
    from cryptoproxy.consumer.backfill import report, wiring

    asked = _span(begin, end)
    settings = start(env_file)
    ripe = SystemClock().now_ms() - math.ceil(grace * 1000)
    span = Span(asked.begin_ms, max(asked.begin_ms, min(asked.end_ms, ripe)))
    command = ["cryptoproxy", *([] if env_file == ENV_FILE else ["--env-file", str(env_file)])]
    left_out = span.end_ms if span.end_ms < asked.end_ms else None

    def work(dataset: Dataset[Any]) -> bool:
        outcome = wiring.reconciled(
            settings, dataset, span, sources=sources or None, quick=quick, console=Console(stderr=True)
        )
        mend = report.mending(outcome, command=command, dataset=dataset.name)
        gaps = lacking.gaps_of(settings.elasticsearch, dataset, span, sources)
        if as_json:
            found = report.as_json(outcome, mend=mend, dataset=dataset.name)
            click.echo(json.dumps(found | {"gaps": [to_builtins(gap) for gap in gaps]}, indent=2))
            return outcome.agrees
        if outcome.hours:
            print_table(report.table(outcome, dataset.name))
        for line in report.words(outcome, mend=mend, left_out_from_ms=left_out, dataset=dataset.name):
            click.echo(line)
        if gaps:
            click.echo(lacking.in_words(gaps, span))
        return outcome.agrees

    try:
        agrees = _of_each(settings, datasets, sources, work)
    except CryptoProxyError as error:
        raise Unproved(str(error)) from error
    context.exit(0 if agrees else 1)


@click.command()
@dataset_option("all that are set up")
@click.option(
    "--keep", callback=seconds, metavar="SPAN", required=True, help="How long to keep documents, for example 731d."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.pass_obj
@click.pass_context
def retention(
    context: click.Context, env_file: Path, *, datasets: list[Dataset[Any]], keep: float, dry_run: bool
) -> None:
    """Remove index periods that are wholly older than --keep and of which the lake has each document, id by id.

    The current period is never touched. What is away for a while is waited for. Needs the right to delete these
    indices, which nothing else does: give it a user of its own. Exit code 1 if something old was kept, 3 if lake or
    Elasticsearch cannot be read.
    """
    from cryptoproxy.consumer.backfill import wiring

    settings = start(env_file)
    looked_at = kept = 0
    try:
        for dataset in _chosen(settings, datasets):
            with wiring.retention(settings, dataset, Console(stderr=True)) as run:
                for verdict in run.run(keep_ms=int(keep * 1000), now_ms=SystemClock().now_ms(), dry_run=dry_run):
                    looked_at += 1
                    kept += not verdict.remove
                    word = "kept" if not verdict.remove else "would be removed" if dry_run else "removed"
                    click.echo(
                        f"{verdict.index}: {word}: {verdict.documents} documents, {verdict.in_lake} ids in the lake "
                        f"({verdict.why_not or 'the lake has each of them'})"
                    )
    except CryptoProxyError as error:
        raise Unproved(str(error)) from error
    if not looked_at:
        click.echo("no index period is wholly older than that")
    context.exit(1 if kept else 0)


def _span(begin: int | None, end: int | None) -> Span:
    """Raises:
    UsageError: both ends are needed, and all that lacks is said at once.
    """
    if begin is None or end is None:
        lacks = [name for name, value in (("--from", begin), ("--to", end)) if value is None]
        raise click.UsageError(f"{' and '.join(lacks)} must be told: --from yesterday --to today")
    span = Span(begin, end)
    if span.empty:
        raise click.UsageError("--to must be later than --from; it is not included")
    return span
