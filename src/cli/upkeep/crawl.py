"""`cryptoproxy crawl`: files, for whoever wants nothing else. Each run is a folder named by its time."""

from __future__ import annotations

import logging
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryptoproxy.cli.values import names, seconds
from cryptoproxy.common.start import start
from cryptoproxy.errors import CryptoProxyError

if TYPE_CHECKING:
    from cryptoproxy.producer.alone.crawling import Crawl

log = logging.getLogger(__name__)

FORMATS = ("csv", "json", "parquet")


@click.command()
@click.argument("feeds", nargs=-1, metavar="[FEED]...")
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("crawl"), show_default=True,
    help="Where the folders of the runs are made.",
)  # fmt: skip
@click.option("--every", callback=seconds, metavar="60m", help="Run again and again; without, once.")
@click.option(
    "--history", "pasts", multiple=True, metavar="FEED=SINCE",
    help="The past of a feed as well, as HISTORY spells it: binance.candle-1d=365d. May be repeated.",
)  # fmt: skip
@click.option("--symbols", callback=names, metavar="A,B", help="Whose past; without, those of the feed's own setting.")
@click.pass_obj
def crawl(
    env_file: Path,
    feeds: tuple[str, ...],
    *,
    form: str,
    out: Path,
    every: float | None,
    pasts: tuple[str, ...],
    symbols: tuple[str, ...],
) -> None:
    """Ask the upstreams once, and write a file for each FEED (coingecko, binance.candle-1d).

    Without FEED: what SOURCES names, and all else but candles that its sources tell. Needs no Kafka, S3 or
    Elasticsearch. It asks within the budget of OUTBOX_DIR; beside a poller of that folder the active poller asks for
    it. Exit code: 0 if all that was asked for is there, 1 if not.
    """
    from cryptoproxy.producer.alone.crawling import Crawl

    # As Ctrl-C: what is half written is taken away.
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    click.get_current_context().call_on_close(lambda: signal.signal(signal.SIGTERM, before))
    crawling = Crawl(start(env_file), feeds, pasts, symbols, form=form)
    begun = time.monotonic()
    while True:
        whole = _once(crawling, out, stays=every is not None)
        if every is None:
            sys.exit(0 if whole else 1)
        late = (time.monotonic() - begun) % every
        time.sleep(every - late)


def _once(crawling: Crawl, out: Path, *, stays: bool) -> bool:
    """One folder. What fails is said; with ``stays`` the next run may be better."""
    folder = out / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    try:
        found = crawling.run(folder)
    except CryptoProxyError as error:
        if not stays:
            raise
        log.error("%s", error)  # noqa: TRY400 - a person's line, not a trace
        return False
    for line in found.lines:
        click.echo(line)
    return found.whole
