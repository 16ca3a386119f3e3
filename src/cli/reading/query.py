"""`cryptoproxy query …`: what readers ask of Elasticsearch or the lake, as a table, JSON, CSV or a picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from cryptoproxy.cli.tables import print_table
from cryptoproxy.cli.values import picture
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.contracts.book import BANDS
from cryptoproxy.errors import OperatorError, TransientError, visible
from cryptoproxy.queries import Answer, NothingFound, Queries, TooMany
from cryptoproxy.queries.fields import FIELDS, WINDOWS
from cryptoproxy.queries.output import console as kibana_console
from cryptoproxy.queries.output import text
from cryptoproxy.queries.questions.depth import DEFAULT as DEFAULT_BAND
from cryptoproxy.queries.questions.indicators import DEFAULT as INDICATORS
from cryptoproxy.queries.questions.market import DEFAULT_COINS as MARKET_COINS
from cryptoproxy.queries.questions.percentiles import COMPRESSION, DEFAULT_PERCENTS
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE

UNANSWERED = 3
"""Exit code where Elasticsearch, or the lake, could not or would not answer."""
TIMEOUT = 300.0
"""Seconds for one search: years of records take their time."""
DRAWN = 20
"""Assets in a picture of more than it can show, if nobody says how many."""

RANKED = ("percentiles", "average", "moves", "volatility", "latest")
"""Questions whose picture has a line or bar per asset, so that the first ones can be chosen."""

Command = Callable[..., None]
Ask = Callable[..., Answer[Any]]
"""Takes the :class:`Queries`, and ``top=`` for only so many assets."""


class Unanswered(click.ClickException):
    exit_code = UNANSWERED

    def show(self, file: Any = None) -> None:
        click.echo(f"cryptoproxy: {self.format_message()}", file=file, err=True)


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
            click.option("--quote", default="", metavar="LIST", help="Only these quote currencies."),
            click.option("--source", default=source, show_default=True, metavar="LIST",
                         help=f"Where the records come from; `{ALL}` is anywhere."),
            click.option("--assets", default="", metavar="LIST", help="Only these ids (bitcoin,ethereum)."),
            click.option("--base", default="", metavar="LIST",
                         help="Only these coins, under whatever symbol: BTC is also BTCUSDT (with --source all)."),
            click.option("--symbols", default="", metavar="LIST", help="Only these symbols (BTC,ETH)."),
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
    which, output = _split(rest)
    _run(
        env_file,
        output,
        lambda queries, **top: queries.percentiles(field, percents=percents, compression=compression, **which | top),
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
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.average(field, interval=interval, **which | top))


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
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.moves(window, thresholds=thresholds, **which | top))


@query.command()
@click.option("--window", metavar="STEP", default="1h", show_default=True, help="15m, 1h, 1d …")
@_which("7d", top="Only so many assets, the most volatile; 20 without.")
@_output
@click.pass_obj
def volatility(env_file: Path, /, window: str, **rest: Any) -> None:
    """Which vary most? Returns of the last price from one window to the next."""
    which, output = _split(rest)
    top = which.pop("top") or 20
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("volatility", total=None)
        _run(
            env_file,
            output,
            lambda queries, top=top: queries.volatility(
                window,
                top=top,
                progress=lambda done, whole: bar.update(task, completed=done, total=whole),
                **which,
            ),
        )


@query.command()
@_which("2h")
@_output
@click.pass_obj
def latest(env_file: Path, /, **rest: Any) -> None:
    """Where does each asset stand? Its newest record."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.latest(**which | top))


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
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.candles(interval, **which | top))


@query.command()
@click.option("--with", "names", default=INDICATORS, show_default=True, metavar="LIST",
              help="sma, ema, rsi, bollinger with their bars, macd (macd:12:26:9).")  # fmt: skip
@_interval
@_which("30d", source=ALL)
@_output
@click.pass_obj
def indicators(env_file: Path, /, names: str, interval: str, **rest: Any) -> None:
    """What do averages, bands, RSI and MACD say? TA-Lib's values over candles."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.indicators(names, interval=interval, **which | top))


@query.command()
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def trades(env_file: Path, /, interval: str, **rest: Any) -> None:
    """What was traded, and who pressed? Volume, VWAP, bought and sold of each step."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.trades(interval, **which | top))


@query.command()
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def spread(env_file: Path, /, interval: str, **rest: Any) -> None:
    """What does it cost to trade at once? Best ask less best bid, of order books."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.spread(interval, **which | top))


@query.command()
@click.option("--within", type=click.Choice([str(each) for each in BANDS]), default=str(DEFAULT_BAND),
              show_default=True, help="Basis points of mid; 10 is 0.1 %.")  # fmt: skip
@_interval
@_which("1d", source=ALL)
@_output
@click.pass_obj
def depth(env_file: Path, /, within: str, interval: str, **rest: Any) -> None:
    """How much stands in the book near its price? Bids, asks and imbalance of each step."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.depth(interval, within=int(within), **which | top))


@query.command()
@_interval
@_which("7d")
@_output
@click.pass_obj
def sentiment(env_file: Path, /, interval: str, **rest: Any) -> None:
    """How many rise, how many fall? Gainers, losers and the mean change over time."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries, **top: queries.sentiment(interval=interval, **which | top))


@query.command()
@click.option(
    "--dominance", metavar="LIST", default=MARKET_COINS, show_default=True, help="Coins whose share is shown."
)
@click.option("--quote", metavar="CURRENCY", default="USD", show_default=True, help="Of cap and volume.")
@_interval
@click.option("--source", default=ALL, show_default=True, metavar="LIST", help="Only these sources.")
@click.option("--since", metavar="TIME", default="30d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@_output
@click.pass_obj
def market(env_file: Path, /, **rest: Any) -> None:
    """How large is the whole market? Its cap, its volume and who dominates it, over time."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries: queries.market(**which))


@query.command()
@click.option(
    "--dataset", default="", metavar="LIST", help="Only these (ticker,candle-1m); without, all that there are."
)
@click.option("--source", default=ALL, show_default=True, metavar="LIST", help="Only these sources.")
@click.option("--interval", metavar="STEP", help="Between slots; without, what the records tell.")
@click.option("--since", metavar="TIME", default="1d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@_output
@click.pass_obj
def freshness(env_file: Path, /, **rest: Any) -> None:
    """Is the data fresh and whole? Age, missing slots and duplicates of each dataset and source."""
    which, output = _split(rest)
    _run(env_file, output, lambda queries: queries.freshness(**which))


@query.command()
@click.option("--team", default="", metavar="NAME", help="Only this one.")
@click.option("--since", metavar="TIME", default="1d", show_default=True,
              help="Begin: a span before the end (12h, 7d, 1mo), a date or a time, UTC.")  # fmt: skip
@click.option("--until", metavar="TIME", help="End of the period; now without.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def usage(env_file: Path, /, as_csv: bool, as_json: bool, **rest: Any) -> None:
    """Who asks the doors for what, and how many calls of the upstreams does that save? Of Elasticsearch."""
    output = {"as_json": as_json, "as_csv": as_csv, "plot": None, "explain": False, "engine": "es"}
    _run(env_file, output, lambda queries: queries.usage(**rest))


def _split(rest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of :func:`_which`, and those of :func:`_output`."""
    output = {name: rest.pop(name) for name in ("as_json", "as_csv", "plot", "explain", "engine")}
    return rest, output


def _run(env_file: Path, output: dict[str, Any], ask: Ask) -> None:
    if output["as_json"] + output["as_csv"] + output["explain"] > 1:
        raise click.UsageError("--json, --csv and --explain exclude each other")
    engine = output.pop("engine")
    if output["explain"] and engine != "es":
        raise click.UsageError("--explain prints searches of Elasticsearch, so it goes with --engine es alone")
    with _asking(env_file, engine) as queries:
        try:
            answer = ask(queries)
        except ValueError as error:  # a word that is none
            raise click.UsageError(str(error)) from error
        if output["explain"]:
            click.echo(kibana_console.console_text(queries.aliases, answer.asked))
            return
        if output["plot"] is not None:
            _draw(queries, answer, ask, output["plot"])
        _print(answer, **output)
        for note in answer.notes:
            click.echo(f"note: {visible(note)}", err=True)


def _draw(queries: Queries, answer: Answer[Any], ask: Ask, file: Path) -> None:
    """Of more assets than a picture can show, the first ones."""
    from cryptoproxy.queries.output.plot import LEAST, TooManyLines, plot  # it takes a second to load

    try:
        plot(answer, file)
    except TooMany as error:
        if answer.question not in RANKED:  # sources have no rank
            raise
        most = error.most if isinstance(error, TooManyLines) else LEAST
        top = most if answer.asked.scope.chosen else min(DRAWN, most)
        plot(ask(queries, top=top), file)
        which = "most volatile" if answer.question == "volatility" else "most traded"
        answer.notes.append(
            f"only the {top} {which} are drawn; --symbols, --assets or --top (up to {most}) choose others"
        )
    click.echo(f"drawn into {file}", err=True)


def _print(answer: Answer[Any], *, as_json: bool, as_csv: bool, plot: Path | None, explain: bool) -> None:
    write = sys.stdout.write
    if as_json:
        text.write_json(answer, write)
    elif as_csv:
        text.write_csv(answer, write)
    elif plot is None:
        rows = answer.held()
        print_table(text.table(answer, rows))


@contextmanager
def _asking(env_file: Path, engine: str) -> Iterator[Queries]:
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
