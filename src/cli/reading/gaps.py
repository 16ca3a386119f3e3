"""`cryptoproxy gaps`: what streams lacked, and what of it was mended."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from cryptoproxy.cli.tables import print_table
from cryptoproxy.cli.values import names
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import GAP
from cryptoproxy.datasets.times import Span, from_person
from cryptoproxy.errors import visible
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.gaps import GapStory, records, told


@click.command()
@click.option(
    "--since", default="7d", show_default=True, metavar="TIME", help="A span (12h, 7d), a date or a time, UTC."
)
@click.option("--until", default="now", metavar="TIME", help="Likewise; now without.")
@click.option("--source", "sources", callback=names, metavar="LIST", help="Only these (binance,bybit-linear).")
@click.option("--open", "only_open", is_flag=True, help="Only those that were not mended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one gap a line.")
@click.pass_obj
def gaps(env_file: Path, *, since: str, until: str, sources: tuple[str, ...], only_open: bool, as_json: bool) -> None:
    """List what streams lacked in a time: of which asset, from when to when, why, and whether it was mended."""
    settings = load_settings(env_file)
    now_ms = time.time_ns() // 1_000_000
    try:
        period = Span(from_person(since, now_ms=now_ms), from_person(until, now_ms=now_ms))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if period.empty:
        raise click.UsageError("--until must be later than --since")
    if unknown := sorted(set(sources) - set(SOURCE_NAMES)):  # of a slip, too, there are no gaps
        raise click.BadParameter(f"there is no source {', '.join(unknown)}; there are {', '.join(SOURCE_NAMES)}")
    search = Search(elastic.client(settings.elasticsearch), settings.elasticsearch.alias_of(GAP))
    found = told(records(search, period, sources))
    shown = [each for each in found if not (only_open and each.mended)]
    if as_json:
        for each in shown:
            click.echo(msgspec.json.encode({"open": each.opened, "mended": each.mended}).decode())
        return
    if shown:
        print_table(_table(shown))
    left = sum(1 for each in found if not each.mended)
    click.echo(f"{len(found)} gaps from {period}; {left} of them not mended", err=True)


def _table(found: list[GapStory]) -> Table:
    table = Table("source", "asset", "what", "from", "to", "lacked", "why", "mended", box=None)
    for opened, mended in found:
        lacked = "?" if opened.records is None else str(opened.records)
        end = mended.fetched_at if mended else "no"
        row = (opened.source, opened.asset_id, opened.kind, opened.timestamp, opened.until, lacked, opened.why, end)
        table.add_row(*(escape(visible(each)) for each in row))
    return table
