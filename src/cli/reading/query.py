"""`cryptoproxy query …`: what readers ask of Elasticsearch or the lake, a command for each question."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from cryptoproxy.cli.reading.asking import run
from cryptoproxy.cli.values import names, picture, word
from cryptoproxy.datasets.contracts.book import BANDS
from cryptoproxy.queries import Queries
from cryptoproxy.queries.fields import FIELDS, WINDOWS
from cryptoproxy.queries.questions.flow.depth import DEFAULT as DEFAULT_BAND
from cryptoproxy.queries.questions.indicators import DEFAULT as INDICATORS
from cryptoproxy.queries.questions.market import DEFAULT_COINS as MARKET_COINS
from cryptoproxy.queries.questions.percentiles import COMPRESSION, DEFAULT_PERCENTS
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE

Command = Callable[..., None]


@click.group(
    short_help="Ask for percentiles, averages, moves, volatility, latest, freshness, candles, indicators, trades, "
    "spread, depth, sentiment, market, usage."
)
def query() -> None:
    """Ask Elasticsearch or the lake, and get a table, JSON, CSV or a picture.

    Exit code 0 with an answer, 1 where nothing was found, 2 for wrong words, 3 if what is asked cannot answer.
    """


def _numbers(context: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(each) for each in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} must be numbers with commas between them") from error
    if not all(math.isfinite(each) for each in numbers):
        raise click.BadParameter(f"{value!r} must be numbers, and each of them finite")
    return numbers


def _output(command: Command) -> Command:
    for option in (
        click.option("--engine", type=click.Choice(["es", "lake", "auto"]), default="es", show_default=True,
                     help="Ask Elasticsearch or the lake; `auto`: the lake where Elasticsearch lacks days of it."),
        click.option("--explain", is_flag=True, help="Only print the searches, ready for Kibana's console."),
        click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), callback=picture,
                     metavar="FILE", help="Draw it into a .png or .svg file."),
        click.option("--csv", "as_csv", is_flag=True, help="Print CSV."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    ):  # fmt: skip
        command = option(command)
    return command


def _which(
    since: str, *, top: str = "Only so many assets, the most traded.", source: str = DEFAULT_SOURCE
) -> Callable[[Command], Command]:
    def decorated(command: Command) -> Command:
        for option in (
            click.option("--until", metavar="TIME", help="End of the period; now without."),
            click.option("--since", metavar="TIME", default=since, show_default=True,
                         help="Begin: a span before the end (12h, 7d, 2w, 1mo, 2y), a date or a time, UTC."),
            click.option("--top", type=click.IntRange(min=1), help=top),
            click.option("--quote", callback=names, metavar="LIST", help="Only these quote currencies."),
            click.option("--source", callback=names, default=source, show_default=True, metavar="LIST",
                         help=f"Where the records come from; `{ALL}` is anywhere."),
            click.option("--assets", callback=names, metavar="LIST", help="Only these ids (bitcoin,ethereum)."),
            click.option("--base", callback=names, metavar="LIST",
                         help="Only these coins, under whatever symbol: BTC is also BTCUSDT (with --source all)."),
            click.option("--symbols", callback=names, metavar="LIST", help="Only these symbols (BTC,ETH)."),
        ):  # fmt: skip
            command = option(command)
        return command

    return decorated


_by = click.option(
    "--by", type=click.Choice(["symbol"]), default="symbol", show_default=True,
    help="A row per asset, under its symbol; two assets of one symbol stay apart.",
)  # fmt: skip


@query.command()
@click.option("--field", type=click.Choice(sorted(FIELDS)), metavar="NAME", default="change_24h", show_default=True,
              help="A number field of the record.")  # fmt: skip
@_by
@click.option("--percents", callback=_numbers, metavar="LIST", show_default=True,
              default=",".join(f"{each:g}" for each in DEFAULT_PERCENTS), help="Between 0 and 100.")  # fmt: skip
@click.option("--compression", type=click.IntRange(min=20, max=2000), default=COMPRESSION, show_default=True,
              help="Of the t-digest: more is nearer, and slower.")  # fmt: skip
@_which("7d")
@_output
@click.pass_obj
def percentiles(
    env_file: Path, /, field: str, by: str, percents: tuple[float, ...], compression: int, **rest: Any
) -> None:
    """In what range does a value lie? Percentiles over all samples of a period."""
    run(
        env_file,
        rest,
        lambda queries, **which: queries.percentiles(field, percents=percents, compression=compression, **which),
    )


@query.command()
@click.option("--field", type=click.Choice(sorted(FIELDS)), metavar="NAME", default="price", show_default=True,
              help="A number field of the record.")  # fmt: skip
@click.option("--interval", metavar="STEP", help="A row per step: 15m, 1h, 1d, 1w, 1mo, 1y; without, one in all.")
@_by
@_which("30d")
@_output
@click.pass_obj
def average(env_file: Path, /, field: str, interval: str | None, by: str, **rest: Any) -> None:
    """What does it cost on average? Mean over time, lowest and highest."""
    run(env_file, rest, lambda queries, **which: queries.average(field, interval=interval, **which))


@query.command()
@click.option("--thresholds", callback=_numbers, metavar="LIST", default="1,5,10", show_default=True,
              help="In percent.")  # fmt: skip
@click.option("--window", type=click.Choice(list(WINDOWS)), default="24h", show_default=True,
              help="The change over this time, as the source sends it.")  # fmt: skip
@_by
@_which("30d")
@_output
@click.pass_obj
def moves(env_file: Path, /, thresholds: tuple[float, ...], window: str, by: str, **rest: Any) -> None:
    """How often does it move? The share of samples whose change is ±x % or more."""
    run(env_file, rest, lambda queries, **which: queries.moves(window, thresholds=thresholds, **which))


@query.command()
@click.option("--window", metavar="STEP", default="1h", show_default=True, help="15m, 1h, 1d …")
@_which("7d", top="Only so many assets, the most volatile; 20 without.")
@_output
@click.pass_obj
def volatility(env_file: Path, /, window: str, **rest: Any) -> None:
    """Which vary most? Returns of the last price from one window to the next."""
    rest["top"] = rest["top"] or 20
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("volatility", total=None)
        run(
            env_file,
            rest,
            lambda queries, **which: queries.volatility(
                window, progress=lambda done, whole: bar.update(task, completed=done, total=whole), **which
            ),
        )


@query.command()
@_which("2h")
@_output
@click.pass_obj
def latest(env_file: Path, /, **rest: Any) -> None:
    """Where does each asset stand? Its newest record."""
    run(env_file, rest, Queries.latest)


_interval = click.option(
    "--interval", metavar="STEP", default="1h", show_default=True, help="15m, 1h, 4h, 1d, 1w, 1mo …"
)


@query.command()
@_interval
@_which("30d", source=ALL)
@_output
@click.pass_obj
def candles(env_file: Path, /, interval: str, **rest: Any) -> None:
    """What did it open, reach and close at? Bars of any length, put together of what is stored."""
    run(env_file, rest, lambda queries, **which: queries.candles(interval, **which))


@query.command()
@click.option("--with", "names", callback=names, default=INDICATORS, show_default=True, metavar="LIST",
              help="sma, ema, rsi, bollinger with their bars, macd (macd:12:26:9).")  # fmt: skip
@_interval
@_which("30d", source=ALL)
@_output
@click.pass_obj
def indicators(env_file: Path, /, names: tuple[str, ...], interval: str, **rest: Any) -> None:
    """What do averages, bands, RSI and MACD say? TA-Lib's values over candles."""
    run(env_file, rest, lambda queries, **which: queries.indicators(names, interval=interval, **which))


@query.command()
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def trades(env_file: Path, /, interval: str, **rest: Any) -> None:
    """What was traded, and who pressed? Volume, VWAP, bought and sold of each step."""
    run(env_file, rest, lambda queries, **which: queries.trades(interval, **which))


@query.command()
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def spread(env_file: Path, /, interval: str, **rest: Any) -> None:
    """What does it cost to trade at once? Best ask less best bid, of order books."""
    run(env_file, rest, lambda queries, **which: queries.spread(interval, **which))


@query.command()
@click.option("--within", type=click.Choice([str(each) for each in BANDS]), default=str(DEFAULT_BAND),
              show_default=True, help="Basis points of mid; 10 is 0.1 %.")  # fmt: skip
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def depth(env_file: Path, /, within: str, interval: str, **rest: Any) -> None:
    """How much stands in the book near its price? Bids, asks and imbalance of each step."""
    run(env_file, rest, lambda queries, **which: queries.depth(interval, within=int(within), **which))


@query.command()
@_interval
@_which("7d")
@_output
@click.pass_obj
def sentiment(env_file: Path, /, interval: str, **rest: Any) -> None:
    """How many rise, how many fall? Gainers, losers and the mean change over time."""
    run(env_file, rest, lambda queries, **which: queries.sentiment(interval=interval, **which))


@query.command()
@click.option(
    "--dominance",
    callback=names,
    metavar="LIST",
    default=MARKET_COINS,
    show_default=True,
    help="Coins whose share is shown.",
)
@click.option("--quote", callback=word, metavar="CURRENCY", default="USD", show_default=True, help="Of cap and volume.")
@_interval
@click.option("--source", callback=names, default=ALL, show_default=True, metavar="LIST", help="Only these sources.")
@click.option("--since", metavar="TIME", default="30d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@_output
@click.pass_obj
def market(env_file: Path, /, **rest: Any) -> None:
    """How large is the whole market? Its cap, its volume and who dominates it, over time."""
    run(env_file, rest, Queries.market)


@query.command()
@click.option(
    "--dataset", callback=names, metavar="LIST", help="Only these (ticker,candle-1m); without, all that there are."
)
@click.option("--source", callback=names, default=ALL, show_default=True, metavar="LIST", help="Only these sources.")
@click.option("--interval", metavar="STEP", help="Between slots; without, what the records tell.")
@click.option("--since", metavar="TIME", default="1d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@_output
@click.pass_obj
def freshness(env_file: Path, /, **rest: Any) -> None:
    """Is the data fresh and whole? Age, missing slots and duplicates of each dataset and source."""
    run(env_file, rest, Queries.freshness)


@query.command()
@click.option("--team", callback=word, metavar="NAME", help="Only this one.")
@click.option("--since", metavar="TIME", default="1d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def usage(env_file: Path, /, as_csv: bool, as_json: bool, **rest: Any) -> None:
    """Who asks the doors for what, and how many calls of the upstreams does that save? Of Elasticsearch."""
    output = {"as_json": as_json, "as_csv": as_csv, "plot": None, "explain": False, "engine": "es"}
    run(env_file, rest | output, Queries.usage)
