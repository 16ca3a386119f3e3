"""`cryptoproxy dead-letters list | show | replay`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.cli.tables import print_table
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.consumer.letters import reader
from cryptoproxy.consumer.letters.reader import Letter
from cryptoproxy.consumer.wiring import replay_dead_letters
from cryptoproxy.datasets import Dataset
from cryptoproxy.errors import visible


def _place(context: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return reader.parse_place(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _letters(settings: Settings, datasets: list[Dataset[Any]]) -> Iterator[Letter]:
    letters = reader.read_letters(settings.kafka)
    return (letter for letter in letters if not datasets or letter.dataset in datasets)


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that could not be indexed: look at them, try them again."""


@dead_letters.command("list")
@click.option("-n", "--count", type=click.IntRange(min=1), default=50, show_default=True, help="The newest so many.")
@dataset_option("all of them")
@click.pass_obj
def list_letters(env_file: Path, count: int, datasets: list[Dataset[Any]]) -> None:
    """List the dead letters, newest last."""
    newest: deque[tuple[str, ...]] = deque(maxlen=count)  # not the letters: they may be large
    total = 0
    for letter in _letters(load_settings(env_file), datasets):
        total += 1
        newest.append(tuple(map(visible, (letter.place, letter.time, letter.reason, letter.error[:100]))))
    table = Table("record", "set aside", "reason", "error", box=None)
    for row in newest:
        table.add_row(*map(escape, row))
    print_table(table)
    click.echo(f"{total} dead letters", err=True)


@dead_letters.command()
@click.argument("place", callback=_place, metavar="PLACE")
@click.pass_obj
def show(env_file: Path, place: str) -> None:
    """Show one dead letter whole: why, and its original key and value. PLACE is what `list` calls the record:
    PARTITION:OFFSET of a ticker, candle-1m:PARTITION:OFFSET of another dataset, or letter:PARTITION:OFFSET of one that
    never got onto its topic."""
    letter = reader.find(reader.read_letters(load_settings(env_file).kafka), place)
    original = letter.original
    click.echo(visible(f"record     {original.topic} {letter.place}"))
    for what, text in (("set aside", letter.time), ("reason", letter.reason), ("error", letter.error)):
        click.echo(f"{what:9}  {visible(text)}")
    for name, value in original.headers:
        click.echo(f"header     {visible(name)}: {value!r}")
    if letter.left_out is not None:
        size = "its bytes" if letter.left_out < 0 else f"its {letter.left_out} bytes"
        click.echo(f"content    {size} are not in the letter, as they could not be written")
        return
    click.echo(f"key        {original.key!r}\nvalue      {original.value!r}")


@dead_letters.command()
@dataset_option("all of them")
@click.pass_obj
@click.pass_context
def replay(context: click.Context, env_file: Path, datasets: list[Dataset[Any]]) -> None:
    """Index the dead letters again, by the indexer's own path. What is still poison stays; exit code 1 then."""
    settings = start(env_file)
    result = replay_dead_letters(settings, _letters(settings, datasets))
    click.echo(f"{result.indexed} indexed, {result.duplicates} there already, {len(result.still_poison)} still poison")
    for letter, why in result.still_poison[:20]:
        click.echo(f"  {letter.place} {visible(why[:200])}")
    context.exit(1 if result.still_poison else 0)
