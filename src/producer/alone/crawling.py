"""`cryptoproxy crawl`: feeds and their past into files, within one budget; nothing of Kafka, S3 or Elasticsearch."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, DATASETS, Feed
from cryptoproxy.datasets.times import Span, from_person
from cryptoproxy.errors import CryptoProxyError, OperatorError, SettingsError, TransientError
from cryptoproxy.producer.alone.asking import asker_of, budget_folder, poll_now, sleep, whole
from cryptoproxy.producer.alone.tables import TableFile
from cryptoproxy.producer.asking.elsewhere import Elsewhere
from cryptoproxy.producer.feeds.history.agenda import MOST_TRIES
from cryptoproxy.producer.feeds.history.report import is_whole, summary
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.feeds.history.walk import Cursor, Walk
from cryptoproxy.producer.feeds.poll import PollOnce, SlotMissedError
from cryptoproxy.producer.feeds.symbols import kept_quotes, load
from cryptoproxy.producer.outbox.files import OutboxInUseError
from cryptoproxy.producer.planning import budgets_of, grids_of
from cryptoproxy.upstreams import histories_of, pollings_of, upstreams_of, wanted_of
from cryptoproxy.upstreams.base import Call, Response, Source
from cryptoproxy.upstreams.history import History

log = logging.getLogger(__name__)

CALL_SECONDS = 120.0
"""So long one call waits for its budget before that is said."""
AskerOf = Callable[[Source], AbstractContextManager[PollOnce]]


@dataclass
class CrawlResult:
    """What a run has written into ``folder``, a line each, and whether that is all that was asked for."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    whole: bool = True


class Crawl:
    """Made once, run once or again and again.

    Args:
        feeds: their names; none: see :func:`_by_default`.
        pasts: ``binance.candle-1d=365d``, as HISTORY has them.
        symbols: whose past; none: those of the feeds' settings.
        form: of the files: ``csv``, ``json``, ``parquet``.

    Raises:
        SettingsError: there is no such feed, or no past of it, or it comes by stream; a symbol that nobody can have.
        OperatorError: whose past is not told.
    """

    def __init__(
        self, settings: Settings, feeds: Sequence[str], pasts: Sequence[str], symbols: Sequence[str], *, form: str
    ) -> None:
        upstreams = settings.upstreams
        names = tuple(dict.fromkeys(feeds)) or _by_default(settings)
        self._settings = settings
        self._upstreams = replace(upstreams, sources=names, history=tuple(pasts))
        self._form = form
        self._clock = SystemClock()
        self._folder_is_ours = True
        self._pollings = pollings_of(self._upstreams, told_by="crawl")
        if streamed := [name for name in feeds if name not in self._pollings]:
            raise SettingsError([f"crawl asks once, and {', '.join(streamed)} comes by stream alone"])
        self._sources = [(each.at_once or each.make)() for each in self._pollings.values()]
        self._pasts: list[tuple[History, str, list[str]]] = []
        for name, since in wanted_of(self._upstreams, told_by="crawl --history"):
            past = histories_of(upstreams)[name]()
            named = [past.spelled(each) for each in symbols] or list(past.symbols)
            if not named:
                raise OperatorError(
                    f"whose past of {name} is not told", remedy="Name them by --symbols, or in the feed's own setting"
                )
            self._pasts.append((past, since, named))

    def run(self, folder: Path) -> CrawlResult:
        """All files are in ``folder`` when it appears; what could not be had is said, and not there.

        Raises:
            OutboxInUseError: another process has OUTBOX_DIR, whose budget it is, and is no active poller.
            OperatorError: a folder cannot be used, or nothing at all could be had.
        """
        with self._askers() as asker_of, _appearing(folder) as new:
            found = CrawlResult(new)
            for source in self._sources:
                with self._said(source.feed, found):
                    self._poll(source, asker_of, found)
            for past, since, symbols in self._pasts:
                with self._said(past.feed, found):
                    self._walk(past, since, symbols, asker_of, found)
            if not any(new.iterdir()):
                raise OperatorError("nothing could be had, so no folder was made", remedy="See the lines above")
        found.lines.append(f"{folder}{'' if found.whole else ': not all that was asked for'}")
        return found

    @contextmanager
    def _askers(self) -> Iterator[AskerOf]:
        """What asks within the budget of OUTBOX_DIR; beside a poller of that folder at its door."""
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(
                    budget_folder(
                        self._settings,
                        remedy="It is no active poller, which would be asked; wait for its end, or set OUTBOX_DIR to "
                        "another folder, whose budget then counts apart",
                    )
                )
            except OutboxInUseError as error:
                elsewhere = stack.enter_context(closing(Elsewhere(self._settings, self._clock)))
                try:
                    elsewhere.require()
                except CryptoProxyError as why:
                    log.warning("the process of that folder cannot be asked: %s", why)
                    raise error from why
                log.info("the active poller asks, within its budget")
                self._folder_is_ours = False
                yield elsewhere.asker
            else:
                self._folder_is_ours = True
                budgets = budgets_of(self._upstreams, folder, clock=self._clock)
                yield lambda source: asker_of(self._settings, source, budgets, self._clock)

    @contextmanager
    def _said(self, feed: Feed, found: CrawlResult) -> Iterator[None]:
        """What one feed lacks costs no other."""
        try:
            yield
        except CryptoProxyError as error:
            log.error("%s: not had: %s", feed.name, error)  # noqa: TRY400 - a person's line, not a trace
            found.whole = False

    def _poll(self, source: Source, asker_of: AskerOf, found: CrawlResult) -> None:
        feed, dataset = source.feed, DATASETS[source.feed.dataset]
        quotes = kept_quotes(self._settings.poller.outbox_dir / "symbols", source)
        grid = grids_of(self._upstreams, {name: each.interval for name, each in self._pollings.items()})[feed.name]
        with asker_of(source) as asker:
            polled = poll_now(source, asker, grid, self._clock, sleep, seconds=self._patience(source))
        if quotes is not None and self._folder_is_ours:
            quotes.save()
        found.whole &= whole(feed.name, polled)
        with TableFile(found.folder, feed.name, dataset, self._form) as file:
            for part in polled.parts:
                file.write([dataset.codec.decode(line) for line in part.content.splitlines()])
        found.lines.append(f"{file.path.name}: {file.rows} records")

    def _patience(self, source: Source) -> float:
        """Seconds that a poll may take: many calls wait for their minute."""
        limits = upstreams_of(self._upstreams)[source.upstream].limits.rolling
        cost = sum(call.cost for call in source.calls())
        return CALL_SECONDS + max(
            (60.0 * cost / limit.amount for limit in limits if limit.window == "minute"), default=0.0
        )

    def _walk(self, past: History, since: str, symbols: Sequence[str], asker_of: AskerOf, found: CrawlResult) -> None:
        now_ms, source = self._clock.now_ms(), cast("Source", past)
        run = Run("", past.feed.name, from_person(since, now_ms=now_ms), past.last_ms(now_ms) + 1, now_ms)
        begun, quotes = self._clock.monotonic(), kept_quotes(self._settings.poller.outbox_dir / "symbols", source)
        stem = f"{past.feed.name}-history"
        with (
            asker_of(source) as asker,
            TableFile(found.folder, stem, DATASETS[past.feed.dataset], self._form) as file,
        ):
            if (listed := past.symbol_list) and any(listed.quotes.of(symbol) is None for symbol in symbols):
                load(past.feed.name, listed, lambda call: self._asked(asker, call)[0])
            for symbol in symbols:
                cursor = run.walks.setdefault(symbol, Cursor())
                walk = Walk(past, symbol, Span(run.begin_ms, run.end_ms), cursor, now_ms=self._clock.now_ms)
                self._steps(walk, asker, file)
        if quotes is not None and self._folder_is_ours:
            quotes.save()
        run.seconds = self._clock.monotonic() - begun
        found.whole &= is_whole(run)
        found.lines += [*summary(run), *([f"{file.path.name}: {file.rows} records"] if file.rows else [])]

    def _steps(self, walk: Walk, asker: PollOnce, file: TableFile) -> None:
        """To the end of one symbol, or until it is given up."""
        backoff, tries = Backoff(first=1.0), 0
        while not walk.cursor.done:
            try:
                file.write(walk.step(lambda call: self._asked(asker, call)))
                backoff.reset()
                tries = 0
            except TransientError as error:
                tries += 1
                if tries >= MOST_TRIES or asker.ban_ends_in() > CALL_SECONDS:
                    walk.cursor.done = walk.cursor.failed = True
                    walk.cursor.why = f"given up: {error}"
                    return
                log.warning("history of %s: %s: %s", walk.history.feed.name, walk.symbol, error)
                time.sleep(max(backoff.next(), min(asker.ban_ends_in(), CALL_SECONDS)))

    def _asked(self, asker: PollOnce, call: Call) -> tuple[Response, int]:
        while True:
            try:
                end_ms = self._clock.now_ms() + round(CALL_SECONDS * 1000)
                return asker.ask(call, end_ms, sleep), self._clock.now_ms()
            except SlotMissedError as error:
                if error.reason != "budget":
                    raise
                log.info("%s; it waits", error)
                time.sleep(CALL_SECONDS / 2)


def _by_default(settings: Settings) -> tuple[str, ...]:
    """What SOURCES names, and all else that its sources tell but candles and what takes a call for each coin."""
    named = settings.upstreams.sources
    sources = {Feed.parse(name).source for name in named}
    every = (each for upstream in upstreams_of(settings.upstreams).values() for each in upstream.feeds.items())
    more = (
        feed.name
        for feed, polling in every
        if feed.source in sources and feed.dataset != CANDLE.name and polling.at_once is None
    )
    return tuple(dict.fromkeys([*named, *more]))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder that takes its name when all is in it; of what ends in between nothing is left.

    Raises:
        OperatorError: it cannot be made.
    """
    new = folder.with_name(f".{folder.name}.new")
    try:
        new.mkdir(parents=True)
        try:
            yield new
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written: {error}", remedy="Mend --out, or free its disk") from error
