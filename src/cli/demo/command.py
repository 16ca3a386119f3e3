"""The command, from start to verdict."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from cryptoproxy.cli.demo.stage import Stage
from cryptoproxy.cli.demo.tally import Counter, Tally, metrics_of
from cryptoproxy.cli.demo.view import Moment, picture, plain

SETTLE_SECONDS = 60.0
_PLAIN_EVERY = 5.0


@click.command()
@click.option(
    "--seconds", type=click.IntRange(min=5), help="End after so long, with a verdict; without, Ctrl-C ends it."
)
@click.option("--interval", type=click.IntRange(1, 60), default=5, show_default=True, help="Seconds between polls.")
@click.option("--coins", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many coins to poll.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".run/demo"), show_default=True)
@click.pass_context
def demo(context: click.Context, seconds: int | None, interval: int, coins: int, folder: Path) -> None:
    """The whole road on throwaway engines: a stand-in upstream, poller, Kafka, S3, indexer, Elasticsearch."""
    # As Ctrl-C: what it has started is ended by it, and by nobody else.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    context.call_on_close(lambda: signal.signal(signal.SIGTERM, before))
    console = Console()
    with Stage(folder.absolute(), interval=interval, coins=coins, say=click.echo) as stage:
        counter = Counter(stage.settings)
        try:
            _watch(console, stage, counter, seconds)
            tallies, alerts = _settle(stage, counter), counter.alerts()
        finally:
            counter.close()
    click.echo()
    for each in tallies:
        click.echo(
            f"{each.dataset}s: fetched {each.fetched}; on the topic {each.topic}, in Elasticsearch {each.documents}, "
            f"in the lake {each.lake}, with {each.ids} different ids"
        )
    for words in alerts:
        click.echo(f"alert: {words}")
    agree = all(each.agrees for each in tallies)
    if agree:
        click.secho("Nothing lost, nothing stored twice.", fg="green")
        click.echo("Next: `make run` polls the real CoinGecko. README.md says where to go on.")
        stage.remove()
    else:
        click.secho(f"The numbers of a line should be equal and above 0. Logs: {folder}/*.log", fg="red")
    context.exit(0 if agree else 1)


def _watch(console: Console, stage: Stage, counter: Counter, seconds: int | None) -> None:
    """Shows what happens until the time is over or Ctrl-C."""
    begun = time.monotonic()
    deadline = begun + seconds if seconds else None

    def moment() -> Moment:
        stage.check_processes()
        poller, indexer = stage.settings.poller.port, stage.settings.indexer.port
        return Moment(
            time.monotonic() - begun, metrics_of(poller), metrics_of(indexer),
            counter.tallies(_fetched(stage)), counter.objects(), counter.top(), counter.alerts(),
        )  # fmt: skip

    try:
        if console.is_terminal:
            _live(console, stage, moment, deadline)
        else:
            _lines(stage, moment, deadline)
    except KeyboardInterrupt:
        click.echo("\nstopping …")


def _live(console: Console, stage: Stage, moment: Callable[[], Moment], deadline: float | None) -> None:
    with Live(console=console, screen=False, auto_refresh=False) as live:
        while deadline is None or time.monotonic() < deadline:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            live.update(
                picture(moment(), stage.settings, _short(stage.env_file), left, height=console.height), refresh=True
            )
            time.sleep(1.0)


def _lines(stage: Stage, moment: Callable[[], Moment], deadline: float | None) -> None:
    click.echo(f"settings of this demo: {_short(stage.env_file)}")
    while deadline is None or time.monotonic() < deadline:
        click.echo(plain(moment()))
        time.sleep(_PLAIN_EVERY if deadline is None else max(0.0, min(_PLAIN_EVERY, deadline - time.monotonic())))


def _settle(stage: Stage, counter: Counter) -> list[Tally]:
    """Counts in a moment between two polls, when everything polled has had the time to arrive."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        fetched = _fetched(stage)
        tallies = counter.tallies(fetched)
        # Polled again meanwhile? Then these counts are of different moments.
        if (all(each.agrees for each in tallies) and fetched == _fetched(stage)) or time.monotonic() > deadline:
            return tallies
        time.sleep(0.2)


def _fetched(stage: Stage) -> tuple[int, int]:
    """Tickers and candles, by the poller's own word."""
    metrics = metrics_of(stage.settings.poller.port)
    return int(metrics.get("cryptoproxy_records_polled_total", 0)), stage.fetched()


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
