"""How a question is asked and answered: the engines, what they cannot do as an exit code, and each way to print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click

from cryptoproxy.cli.tables import print_table
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.start import load_settings
from cryptoproxy.errors import OperatorError, TransientError, visible
from cryptoproxy.queries import Answer, NothingFound, Queries, TooMany
from cryptoproxy.queries.output import console, text

UNANSWERED = 3
"""Exit code where Elasticsearch, or the lake, could not or would not answer."""
TIMEOUT = 300.0
"""Seconds for one search: years of records take their time."""
DRAWN = 20
"""Assets in a picture of more than it can show, if nobody says how many."""

RANKED = ("percentiles", "average", "moves", "volatility", "latest")
"""Questions whose picture has a line or bar per asset, so that the first ones can be chosen."""
OUTPUT = ("as_json", "as_csv", "plot", "explain", "engine")
"""Options that say how to answer; all others of a question say what is asked."""

Ask = Callable[..., Answer[Any]]
"""Takes the :class:`Queries` and the options that say what is asked."""


class Unanswered(click.ClickException):
    exit_code = UNANSWERED

    def show(self, file: Any = None) -> None:
        click.echo(f"cryptoproxy: {self.format_message()}", file=file, err=True)


def run(env_file: Path, options: dict[str, Any], ask: Ask) -> None:
    """
    Args:
        options: of the command, those of :data:`OUTPUT` among them.
    """
    as_json, as_csv, plot, explain, engine = (options.pop(name) for name in OUTPUT)
    if as_json + as_csv + explain > 1:
        raise click.UsageError("--json, --csv and --explain exclude each other")
    if explain and engine != "es":
        raise click.UsageError("--explain prints searches of Elasticsearch, so it goes with --engine es alone")
    with asking(env_file, engine) as queries:
        try:
            answer = ask(queries, **options)
        except ValueError as error:  # a word that is none
            raise click.UsageError(str(error)) from error
        if explain:
            click.echo(console.console_text(queries.aliases, answer.asked))
            return
        if plot is not None:
            _draw(queries, answer, ask, options, plot)
        if as_json:
            text.write_json(answer, sys.stdout.write)
        elif as_csv:
            text.write_csv(answer, sys.stdout.write)
        elif plot is None:
            print_table(text.table(answer, answer.held()))
        for note in answer.notes:
            click.echo(f"note: {visible(note)}", err=True)


def _draw(queries: Queries, answer: Answer[Any], ask: Ask, options: dict[str, Any], file: Path) -> None:
    """Of more assets than a picture can show, the first ones."""
    from cryptoproxy.queries.output.plot import LEAST, TooManyLines, plot  # it takes a second to load

    try:
        plot(answer, file)
    except TooMany as error:
        if answer.question not in RANKED:  # sources have no rank
            raise
        most = error.most if isinstance(error, TooManyLines) else LEAST
        top = most if answer.asked.scope.chosen else min(DRAWN, most)
        plot(ask(queries, **options | {"top": top}), file)
        which = "most volatile" if answer.question == "volatility" else "most traded"
        answer.notes.append(
            f"only the {top} {which} are drawn; --symbols, --assets or --top (up to {most}) choose others"
        )
    click.echo(f"drawn into {file}", err=True)


@contextmanager
def asking(env_file: Path, engine: str) -> Iterator[Queries]:
    """The engines, and their errors as exit codes."""
    settings = load_settings(env_file)
    place = settings.elasticsearch.url if engine == "es" else settings.s3.endpoint_url or settings.s3.bucket
    with ExitStack() as opened:
        try:
            client = opened.enter_context(closing(elastic.client(settings.elasticsearch, timeout=TIMEOUT)))
            lake = None
            if engine != "es":
                from cryptoproxy.lake.store import Store
                from cryptoproxy.queries.lake.engine import Lake  # DuckDB is not everybody's

                lake = opened.enter_context(closing(Lake(Store(settings.s3))))
            yield Queries.of(settings.elasticsearch, client, lake=lake, engine=engine)
        except NothingFound as error:  # it may name symbols as an upstream sent them
            raise NothingFound(visible(str(error))) from error
        except TransientError as error:
            raise Unanswered(f"{error} ({place})") from error
        except OperatorError as error:
            raise Unanswered(str(error)) from error
