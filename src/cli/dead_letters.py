"""`cryptoproxy dead-letters list | show | replay`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cryptoproxy.common.errors import visible
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.consumer import dead_letter_reader
from cryptoproxy.consumer.wiring import replay_dead_letters


def _place(context: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return dead_letter_reader.parse_place(value)
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
        table.add_row(letter.place, letter.time, visible(letter.reason), escape(visible(letter.error[:100])))
    Console().print(table)
    click.echo(f"{len(letters)} dead letters", err=True)


@dead_letters.command()
@click.argument("place", callback=_place, metavar="PLACE")
@click.pass_obj
def show(env_file: Path, place: str) -> None:
    """Show one dead letter whole: why, and its original key and value. PLACE is what `list` calls the record:
    PARTITION:OFFSET, or letter:PARTITION:OFFSET of one that never got onto the topic."""
    letter = dead_letter_reader.find(dead_letter_reader.read_letters(load_settings(env_file).kafka), place)
    original = letter.original
    click.echo(f"record     {original.topic} {letter.place}")
    click.echo(f"set aside  {letter.time}\nreason     {visible(letter.reason)}\nerror      {visible(letter.error)}")
    for name, value in original.headers:
        click.echo(f"header     {visible(name)}: {value!r}")
    click.echo(f"key        {original.key!r}\nvalue      {original.value!r}")


@dead_letters.command()
@click.pass_obj
@click.pass_context
def replay(context: click.Context, env_file: Path) -> None:
    """Index the dead letters again, by the indexer's own path. What is still poison stays; exit code 1 then."""
    settings = start(env_file)
    result = replay_dead_letters(settings, dead_letter_reader.read_letters(settings.kafka))
    click.echo(f"{result.indexed} indexed, {result.duplicates} there already, {len(result.still_poison)} still poison")
    for letter, why in result.still_poison[:20]:
        click.echo(f"  {letter.place} {visible(why[:200])}")
    context.exit(1 if result.still_poison else 0)
