"""`cryptoproxy report`: what a day was like, as HTML and PDF."""

from __future__ import annotations

from pathlib import Path

import click

from cryptoproxy.cli.reading.asking import asking
from cryptoproxy.cli.values import day_of, names
from cryptoproxy.common import files
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.times import DAY_MS, Span, written
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.scope import ALL

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--date", "day", callback=day_of, metavar="DATE", required=True, help="A day that is over, UTC: yesterday."
)
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="FOLDER",
              help="Where report.html and report.pdf go; made if it is not there.")  # fmt: skip
@click.option("--positions", "held", type=_file, metavar="FILE", help="YAML of what is held: portfolio and risk.")
@click.option(
    "--quality", type=_file, metavar="FILE", help="What `cryptoproxy quality --json` has printed of that day."
)
@click.option(
    "--source", "sources", callback=names, default=ALL, show_default=True, metavar="LIST", help="Of the day's figures."
)
@click.option(
    "--top", type=click.IntRange(min=1), default=50, show_default=True, help="So many assets, the most traded."
)
@click.option("--back", type=click.IntRange(2, 3660), default=180, show_default=True, metavar="DAYS",
              help="Days before it that risk is told by.")  # fmt: skip
@click.option("--engine", type=click.Choice(["es", "lake", "auto"]), default="es", show_default=True,
              help="What is asked for prices; alerts and predictions are read from the lake.")  # fmt: skip
@click.pass_obj
def report(
    env_file: Path,
    *,
    day: int,
    folder: Path,
    held: Path | None,
    quality: Path | None,
    sources: tuple[str, ...],
    top: int,
    back: int,
    engine: str,
) -> None:
    """Write a day's report: prices, portfolio, risk, alerts, predictions judged, quality (docs/report.md)."""
    from cryptoproxy.lake.store import Store
    from cryptoproxy.report import html, pdf, positions
    from cryptoproxy.report.gather import gather
    from cryptoproxy.report.sections import drawn, title

    span = Span(day, day + DAY_MS)
    if span.end_ms > SystemClock().now_ms():
        raise click.UsageError("--date is a day that is not over")
    try:
        holds = positions.read(held) if held is not None else []
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--positions") from error
    settings = load_settings(env_file)
    with asking(env_file, engine) as queries:
        found = gather(
            queries,
            Store(settings.s3, patiently=Patience("S3")),
            span,
            source=sources,
            top=top,
            positions=holds,
            back=back,
            quality=quality,
        )
    name, made = title(found), drawn(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in (("report.html", html.page(name, made)), ("report.pdf", pdf.pages(name, made))):
            files.replace(folder / file, content, sync=False)
    except OSError as error:
        raise OperatorError(
            f"{folder} cannot be written: {error.strerror or error}", remedy="Name another --to"
        ) from error
    words = f"{len(found.stats)} assets, {sum(1 for each in found.alerts if each.state == 'open')} alerts"
    if found.portfolio is not None:
        words += f", portfolio {found.portfolio.value:,.2f} {found.portfolio.quote}"
    click.echo(f"{written(day)[:10]}: {words}: {folder / 'report.html'}, {folder / 'report.pdf'}")
