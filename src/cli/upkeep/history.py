"""`cryptoproxy history`: the past of a feed, through the same road as live data."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cryptoproxy.cli.values import moment, names, word
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import start
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.producer.feeds.history.report import estimate, is_whole, now_at, share_done, summary
from cryptoproxy.producer.feeds.history.runs import Run, RunsTopic, new_id
from cryptoproxy.upstreams import histories_of, nearest_first, upstreams_of
from cryptoproxy.upstreams.base import Source
from cryptoproxy.upstreams.history import History

log = logging.getLogger(__name__)

ACCEPTED_SECONDS = 10.0
"""An active poller takes a run up within 3 or 4 s."""
LOOK_SECONDS = 1.0
LINE_SECONDS = 10.0


@click.command()
@click.argument("feed", required=False)
@click.option("--symbols", callback=names, metavar="A,B", help="These; without, those of the feed's own setting.")
@click.option("--quote", callback=word, metavar="USDT",
              help="All that the exchange lists with this quote, instead of --symbols.")  # fmt: skip
@click.option("--from", "begin", callback=moment, metavar="TIME", help="Begin: a date, a time (UTC), or `90d` (ago).")
@click.option("--to", "end", callback=moment, metavar="TIME", help="End, not included; without, now.")
@click.option("--days", type=click.IntRange(1, 36500), help="So many days up to now, instead of --from.")
@click.option("--dry-run", is_flag=True, help="Say how many calls and records it will be at most; ask nothing.")
@click.option("--stop", is_flag=True, help="End the runs of FEED that are under way; without FEED all of them.")
@click.pass_obj
def history(
    env_file: Path,
    feed: str | None,
    *,
    symbols: tuple[str, ...],
    quote: str | None,
    begin: int | None,
    end: int | None,
    days: int | None,
    dry_run: bool,
    stop: bool,
) -> None:
    """Fetch the past of FEED (binance.candle-1d): to the outbox, Kafka, S3 and the index, with the ids of live data.

    The active poller does it, on the budget that live polling leaves; without one this process does. Ctrl-C leaves it
    to the poller. Exit code: 0 if all that the upstream has is there, 1 if not.
    """
    settings = start(env_file)
    if stop:
        if feed is not None:
            _known(settings, feed)
        _stop(settings, feed)
        return
    past = _known(settings, feed)()
    now_ms = SystemClock().now_ms()
    if (begin is None) == (days is None):
        raise click.UsageError("Give --from or --days.")
    begin_ms = begin if begin is not None else now_ms - now_ms % DAY_MS - (days or 0) * DAY_MS
    span = Span(begin_ms, min(end if end is not None else now_ms, now_ms))
    if span.empty:
        raise click.UsageError(f"{span} is no time.")
    named = list(map(past.spelled, symbols))
    if dry_run:
        _dry_run(settings, past, named, quote=quote, span=span, now_ms=now_ms)
        return
    run = Run(
        id=new_id(), feed=past.feed.name, begin_ms=span.begin_ms, end_ms=span.end_ms, said_ms=now_ms,
        symbols=named, quote=quote or "",
    )  # fmt: skip
    sys.exit(_run(settings, run))


def _known(settings: Settings, feed: str | None) -> Callable[[], History]:
    """What makes the history of ``feed``."""
    every = histories_of(settings.upstreams)
    if feed not in every:
        there = nearest_first(feed, every) if feed else ", ".join(every)
        raise click.UsageError(f"There is no history of {feed or 'nothing'}; there is of {there}.")
    return every[feed]


def _dry_run(
    settings: Settings, past: History, named: Sequence[str], *, quote: str | None, span: Span, now_ms: int
) -> None:
    from cryptoproxy.producer.feeds.symbols import kept_quotes

    wanted = list(named or past.symbols)
    if quote:
        kept_quotes(settings.poller.outbox_dir / "symbols", cast("Source", past))
        known = past.symbol_list.quotes.known if past.symbol_list else {}
        if not (wanted := [symbol for symbol, each in known.items() if each == quote]):
            raise click.UsageError(
                f"Which symbols have the quote {quote} is not known here before {past.upstream}'s list was read once: "
                "by a poller of this folder, or by a run. Name them by --symbols."
            )
    if not wanted:
        raise click.UsageError("Give --symbols or --quote: no setting names any.")
    limits = upstreams_of(settings.upstreams)[past.upstream].limits
    found = estimate(past, wanted, span, limits, now_ms=now_ms)
    reach_ms = past.reach_ms(now_ms)
    if reach_ms > span.begin_ms:
        click.echo(f"{past.upstream} gives nothing that begins before {Span(reach_ms, now_ms)}.")
    click.echo(
        f"{past.feed.name}, {len(wanted)} symbols, {span}: at most {found.calls} calls ({found.cost} {limits.unit}) "
        f"and {found.rows} records; {found.seconds:.0f} s of the whole budget. Nothing was asked."
    )


def _stop(settings: Settings, feed: str | None) -> None:
    with closing(RunsTopic(settings.kafka)) as topic:
        told, asked = topic.read()
        under_way = {run.id: run for run in [*asked, *told] if not run.ended and (feed is None or run.feed == feed)}
        for run in under_way.values():
            run.stopped, run.walks = True, {}
            topic.ask(run)
            click.echo(f"{run.feed}: the active poller ends it within seconds.")
        if not under_way:
            click.echo("Nothing is under way.")


def _run(settings: Settings, run: Run) -> int:
    """By the active poller, or else by this process."""
    console = Console(stderr=True)
    with closing(RunsTopic(settings.kafka)) as topic, Display(run.feed, console) as display:
        topic.ask(run)
        try:
            found = _followed(topic, run, display)
        except KeyboardInterrupt:
            click.echo(
                f"The poller goes on with it; `cryptoproxy history --stop {run.feed}` ends it. How far it is, is in "
                "its log.", err=True,
            )  # fmt: skip
            return 130
    delivered = True
    if found is None:
        log.info("no poller is active: this process takes the lease, and ends when it is done")
        found, delivered = _by_itself(settings, run, console)
    if found is None:
        return 1
    for line in summary(found):
        click.echo(line)
    return 0 if delivered and is_whole(found) else 1


def _followed(topic: RunsTopic, run: Run, display: Display) -> Run | None:
    """The run at its end; None if nobody takes it up."""
    deadline = time.monotonic() + ACCEPTED_SECONDS
    accepted = False
    while True:
        told = next((each for each in topic.read()[0] if each.id == run.id), None)
        if told is not None:
            accepted = True
            display.show(told)
            if told.ended:
                return told
        elif not accepted and time.monotonic() > deadline:
            return None
        time.sleep(LOOK_SECONDS)


def _by_itself(settings: Settings, run: Run, console: Console) -> tuple[Run | None, bool]:
    from cryptoproxy.producer.feeds.history.alone import HistoryAlone

    with Display(run.feed, console) as display:
        return HistoryAlone(settings, run, show=display.show).run()


class Display:
    """A bar with records, where it is, calls and the time left; without a terminal a line now and then."""

    def __init__(self, what: str, console: Console, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._console = console
        self._monotonic = monotonic
        self._said = float("-inf")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=1.0, words="")

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, run: Run) -> None:
        words = ", ".join(filter(None, (f"{run.rows} records", f"{run.calls} calls", now_at(run))))
        words += f"; waits: {run.held}" if run.held else ""
        self._bar.update(self._task, completed=share_done(run), words=words)
        now = self._monotonic()
        if not self._console.is_terminal and now - self._said >= LINE_SECONDS:
            self._said = now
            share = share_done(run)
            left = f", {run.seconds * (1 - share) / share:.0f} s left" if share else ""
            self._console.print(
                f"{self._what}: {share:.0%}, {words}{left}", markup=False, highlight=False, soft_wrap=True
            )
