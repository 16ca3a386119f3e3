"""`cryptoproxy dead-letters list | show | replay`."""

from __future__ import annotations

import time
from pathlib import Path

import click
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from common.clock import SystemClock
from common.metrics import IndexerMetrics
from common.record import Period
from common.service import Health
from common.start import load_settings, start
from consumer import dead_letter_reader, dead_letter_replay
from consumer.acceptance import parse_place
from consumer.wiring import delivery


def _place(context: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    try:
        return parse_place(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that could not be indexed: look at them, try them again."""


@dead_letters.command("list")
@click.option("-n", "--count", default=50, show_default=True, help="The newest so many.")
@click.pass_obj
def list_letters(env_file: Path, count: int) -> None:
    """List the dead letters, newest last."""
    letters = list(dead_letter_reader.read_letters(load_settings(env_file).kafka))
    table = Table("record", "set aside", "reason", "error", box=None)
    for letter in letters[-count:]:
        original = letter.original
        table.add_row(f"{original.partition}:{original.offset}", letter.time, letter.reason, letter.error[:100])
    Console().print(table)
    click.echo(f"{len(letters)} dead letters", err=True)


@dead_letters.command()
@click.argument("place", callback=_place, metavar="PARTITION:OFFSET")
@click.pass_obj
def show(env_file: Path, place: tuple[int, int]) -> None:
    """Show one dead letter whole: why, and its original key and value."""
    letter = dead_letter_reader.find(dead_letter_reader.read_letters(load_settings(env_file).kafka), place)
    original = letter.original
    click.echo(f"record     {original.topic} {original.partition}:{original.offset}")
    click.echo(f"set aside  {letter.time}\nreason     {letter.reason}\nerror      {letter.error}")
    for name, value in original.headers:
        click.echo(f"header     {name}: {value!r}")
    click.echo(f"key        {original.key!r}\nvalue      {original.value!r}")


@dead_letters.command()
@click.pass_obj
@click.pass_context
def replay(context: click.Context, env_file: Path) -> None:
    """Index the dead letters again, by the indexer's own path. What is still poison stays; exit code 1 then."""
    settings = start(env_file)
    metrics = IndexerMetrics(CollectorRegistry())
    result = dead_letter_replay.replay(
        dead_letter_reader.read_letters(settings.kafka),
        delivery=delivery(settings, Health(), metrics, time.monotonic),
        alias=settings.elasticsearch.alias,
        period=Period(settings.elasticsearch.period),
        now_ms=SystemClock().now_ms(),
    )
    click.echo(f"{result.indexed} indexed, {result.duplicates} there already, {len(result.still_poison)} still poison")
    for letter, why in result.still_poison[:20]:
        click.echo(f"  {letter.original.partition}:{letter.original.offset} {why[:200]}")
    context.exit(1 if result.still_poison else 0)
