"""The third way in: history. Walks through the past of what somebody wants, one call at a time, on what is left over.

Live polling goes first: the budget grants history only what no poll has planned for, and nothing is asked while the
outbox is more than a quarter full. A page is kept, then its cursor; a kill in between asks for that page once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from cryptoproxy.common import announcement
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span, from_person
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.lines import lines_of
from cryptoproxy.producer.feeds.poll import PollOnce, SlotMissedError
from cryptoproxy.producer.feeds.runs import Run, RunsFile, RunsTopic, merged
from cryptoproxy.producer.feeds.symbols import KeptQuotes, load
from cryptoproxy.producer.feeds.walk import Cursor, Walk
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.upstreams.base import Answer, Call, Priority, Rejected, Source
from cryptoproxy.upstreams.history import History

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
TELL_SECONDS = 3.0
CALL_SECONDS = 60.0
"""One call may wait so long for its budget before it is tried anew; the loop turns meanwhile."""
MOST_TRIES = 10
"""So often a page is tried before its symbol is given up, and said."""
OUTBOX_SHARE = 4
"""Above one part in so many of the outbox history waits."""
AGAIN_MS, AGAIN_AFTER_START_MS = DAY_MS, MINUTE_MS
"""So often what HISTORY names is walked up to now, what live polling has missed with it; sooner after a start."""


class Stopped(Exception):  # noqa: N818 - no error: the process stops, or another poller takes over
    """Goes on elsewhere, or at the next start."""


@dataclass
class _Trouble:
    """Of one run, since its last page."""

    tries: int = 0
    until: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, cap=60.0))


class Asker(PollOnce):
    """Asks one upstream on what is left over of its budget."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._priority = Priority.HISTORY


class HistoryLoop:
    """Give :meth:`run` a thread.

    Args:
        histories: what makes the past of each feed, by its name.
        wanted: feed and since, as HISTORY has them.
        folder: where runs and quotes are kept: OUTBOX_DIR.
    """

    def __init__(
        self,
        histories: Mapping[str, Callable[[], History]],
        wanted: Sequence[tuple[str, str]],
        *,
        budgets: Mapping[str, Budget],
        outbox: Outbox,
        topic: RunsTopic,
        may_poll: Callable[[], bool],
        metrics: PollerMetrics,
        clock: Clock,
        timeout: float,
        folder: Path,
    ) -> None:
        self._histories = histories
        self._wanted = wanted
        self._budgets = budgets
        self._outbox = outbox
        self._topic = topic
        self._may_poll = may_poll
        self._metrics = metrics
        self._clock = clock
        self._timeout = timeout
        self._folder = folder
        self._file = RunsFile(folder)
        self.runs: dict[str, Run] = {}
        self._made: dict[str, tuple[History, Asker]] = {}
        self._announced: dict[str, tuple[Span, int]] = {}
        self._often = Limited(log, seconds=60, clock=clock.monotonic)
        self._looked = self._told = float("-inf")
        self._changed = False
        self._troubles: dict[str, _Trouble] = {}

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        active = False
        while loop.running:
            if not self._may_poll():
                active = False
                loop.wait(0.5)
                continue
            try:
                if not active:
                    self._take_over()
                    active = True
                self._look()
                worked = self.step(loop)
                self._tell(now=not worked)
            except Stopped:
                continue
            except CryptoProxyError as error:
                self._often.warning("away", f"history waits: {error}")
                worked = False
            if not worked:
                loop.wait(LOOK_SECONDS)
        self.close()

    def close(self) -> None:
        """What has changed is told once more, so that a planned handover walks nothing twice."""
        try:
            if self._changed:
                self._topic.tell(self.runs.values())
        except CryptoProxyError as error:
            log.warning("how far history has come is not told, so the next poller may ask for a page again: %s", error)
        self._topic.close()

    # --- what there is to do

    def _take_over(self) -> None:
        """Raises:
        TransientError, OperatorError: the state topic cannot be read: another poller may have come farther.
        """
        told, asked = self._topic.read()
        self.runs = merged(self._file.load(), told, asked)
        self._announced = {}
        self._looked = self._clock.monotonic()
        self._extend_wanted(AGAIN_AFTER_START_MS)
        if open_runs := [run for run in self.runs.values() if not run.ended]:
            log.info("history: %d runs to go on with: %s", len(open_runs), ", ".join(run.feed for run in open_runs))

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        _, asked = self._topic.read()
        for run in asked:
            if run.id not in self.runs:
                log.info("history of %s is asked for: %s", run.feed, Span(run.begin_ms, run.end_ms))
                self.runs[run.id] = run
                self._changed, self._told = True, float("-inf")
            elif run.stopped and not self.runs[run.id].ended:
                self._end(self.runs[run.id], "stopped by hand")
        self._extend_wanted(AGAIN_MS)

    def _extend_wanted(self, again_ms: int) -> None:
        """Runs of the settings: made once, and taken up again up to now each day and at each take-over."""
        now_ms = self._clock.now_ms()
        for feed, since in self._wanted:
            run = self.runs.get(f"setting:{feed}")
            if run is None or run.since != since:
                begin_ms = from_person(since, now_ms=now_ms)
                self.runs[f"setting:{feed}"] = Run(
                    id=f"setting:{feed}", feed=feed, begin_ms=begin_ms, end_ms=now_ms, said_ms=now_ms, since=since
                )
            elif run.ended and now_ms - run.ended_ms >= again_ms:
                walks = {symbol: replace(each, done=False, why="") for symbol, each in run.walks.items()}
                self.runs[run.id] = replace(run, end_ms=now_ms, ended_ms=0, walks=walks)

    def _next(self) -> Run | None:
        """The first that somebody has asked for; then those of the settings."""
        now = self._clock.monotonic()
        waiting = [run for run in self.runs.values() if not run.ended and self._trouble(run).until <= now]
        return min(waiting, key=lambda run: bool(run.since), default=None)

    def _trouble(self, run: Run) -> _Trouble:
        return self._troubles.setdefault(run.id, _Trouble())

    # --- doing it

    def step(self, loop: Loop) -> bool:
        """One page of the first run that has not ended. False if there is none, or it has to wait.

        Raises:
            Stopped: the process stops, or does not poll any more.
            CryptoProxyError: what it waits for.
        """
        run = self._next()
        if run is None:
            return False
        begun = self._clock.monotonic()
        if (used := self._outbox.bytes_used()) * OUTBOX_SHARE > self._outbox.stops_at:
            run.held = f"the outbox is more than a quarter full ({used} of {self._outbox.stops_at} bytes)"
            self._changed = True
            return False
        try:
            history, asker = self._history(run.feed)
            walk = self._walk(run, history, asker, loop)
            if walk is None:
                self._end(run, "")
                return True
            self._announce(run, history)
            records = walk.step(lambda call: self._asked(asker, call, loop))
            self._keep(history, walk.rejected, records)
        except SlotMissedError as error:
            raise Stopped from error
        except (TransientError, OperatorError) as error:
            self._failed(run, error)
            return True
        run.walks[walk.symbol] = walk.cursor
        run.held, run.seconds = "", run.seconds + self._clock.monotonic() - begun
        self._troubles.pop(run.id, None)
        self._save()
        return True

    def _history(self, feed: str) -> tuple[History, Asker]:
        if feed not in self._made:
            if feed not in self._histories:
                raise OperatorError(
                    f"there is no history of {feed}", remedy=f"There is of {', '.join(self._histories)}"
                )
            history = self._histories[feed]()
            self._made[feed] = (
                history,
                Asker(
                    cast("Source", history),
                    budget=self._budgets[history.upstream],
                    get=Fetcher().get,
                    clock=self._clock,
                    metrics=self._metrics,
                    timeout=self._timeout,
                ),
            )
        return self._made[feed]

    def _walk(self, run: Run, history: History, asker: Asker, loop: Loop) -> Walk | None:
        """That of the first symbol that has not come to its end; None where all have."""
        if not run.walks or (run.since and not run.walks.keys() >= set(history.symbols)):
            for symbol in self._symbols(run, history, asker, loop):
                run.walks.setdefault(symbol, Cursor())
        symbol = next((symbol for symbol, each in run.walks.items() if not each.done), "")
        if not symbol:
            return None
        span = Span(run.begin_ms, min(run.end_ms, history.last_ms(self._clock.now_ms()) + 1))
        cursor = replace(run.walks[symbol])
        return Walk(history, symbol, span, cursor, now_ms=self._clock.now_ms)

    def _symbols(self, run: Run, history: History, asker: Asker, loop: Loop) -> list[str]:
        """Those of the run, with the list of symbols read where a quote is not told otherwise."""
        named = list(run.symbols or history.symbols) if not run.quote else []
        if (symbols := history.symbol_list) is not None:
            call = symbols.next_call(None)
            kept = KeptQuotes(self._folder / "symbols", history.feed.name, symbols.quotes, call.url if call else "")
            if run.quote or any(symbols.quotes.of(each) is None for each in named):
                load(history.feed.name, symbols, lambda call: self._asked(asker, call, loop)[0])
                kept.save()
            if run.quote:
                named = sorted(symbol for symbol, quote in symbols.quotes.known.items() if quote == run.quote)
        if not named:
            raise OperatorError(
                f"history of {run.feed}: no symbols", remedy="Name them (--symbols, or the feed's own setting)"
            )
        return named

    def _asked(self, asker: Asker, call: Call, loop: Loop) -> tuple[Answer, int]:
        """Raises:
        SlotMissedError: the process stops, or does not poll any more.
        """

        def wait(seconds: float) -> bool:
            return loop.wait(seconds) or not self._may_poll()

        while True:
            if wait(0):
                raise SlotMissedError("stopped", "the process stops")
            try:
                answer = asker.ask(call, self._clock.now_ms() + round(CALL_SECONDS * 1000), wait)
                return answer, self._clock.now_ms()
            except SlotMissedError as error:
                if error.reason == "stopped":
                    raise
                if error.reason == "late":
                    raise TransientError(str(error)) from error
                self._tell(now=False)
                wait(min(asker.ban_ends_in() or LOOK_SECONDS, CALL_SECONDS))

    def _keep(self, history: History, rejected: Sequence[Rejected], records: Sequence[Any]) -> None:
        parts, refused = lines_of(history.feed, records)
        for row in [*rejected, *refused]:
            self._metrics.rows_rejected.labels(history.feed.name, row.reason).inc()
            self._often.warning(row.reason, f"{history.feed.name}: {row.asset_id}: {row.detail}")
        for part in parts:
            try:
                self._outbox.keep(history.feed, part.content, begin_ms=part.begin_ms)
            except OSError as error:
                raise TransientError(f"the outbox {self._outbox.folder} cannot be written: {error}") from error

    def _failed(self, run: Run, error: CryptoProxyError) -> None:
        """What passes is waited for, while other runs go on; a page that fails again and again costs its symbol, not
        the run."""
        run.held = str(error)
        self._often.warning(run.id, f"history of {run.feed}: {error}")
        trouble = self._trouble(run)
        transient = isinstance(error, TransientError)
        trouble.until = self._clock.monotonic() + (trouble.backoff.next() if transient else CALL_SECONDS)
        trouble.tries += transient
        if trouble.tries >= MOST_TRIES:
            symbol = next((symbol for symbol, each in run.walks.items() if not each.done), "")
            log.warning("history of %s: %s is given up: %s", run.feed, symbol, error)
            if symbol:
                run.walks[symbol] = replace(run.walks[symbol], done=True, why=f"given up: {error}")
            self._troubles.pop(run.id)
            self._save()
        self._changed = True

    def _end(self, run: Run, why: str) -> None:
        run.ended_ms, run.held = self._clock.now_ms(), why
        log.info(
            "history of %s ends%s: %d records of %d symbols by %d calls",
            run.feed, f" ({why})" if why else "", run.rows, len(run.walks), run.calls,
        )  # fmt: skip
        self._save()
        self._told = float("-inf")

    # --- telling

    def _announce(self, run: Run, history: History) -> None:
        """The indexer makes indices of old periods at a bounded rate, but for what was announced."""
        feed = history.feed
        span, said_ms = self._announced.get(feed.name, (Span(run.begin_ms, run.end_ms), 0))
        wide = Span(min(span.begin_ms, run.begin_ms), max(span.end_ms, run.end_ms))
        now_ms = self._clock.now_ms()
        if said_ms and wide == span and now_ms - said_ms < HOUR_MS:
            return
        word = announcement.announced(feed.name, feed.dataset, feed.part, wide, now_ms=now_ms)
        self._topic.send({word.key.decode(): word.value})
        self._announced[feed.name] = wide, now_ms

    def _save(self) -> None:
        self._changed = True
        self._file.save(self.runs.values())

    def _tell(self, *, now: bool) -> None:
        """On the state topic, from time to time. Kafka away holds up nothing: the file knows."""
        at = self._clock.monotonic()
        if not self._changed or (at - self._told < TELL_SECONDS and not now):
            return
        self._told = at
        try:
            self._topic.tell(self.runs.values())
            self._topic.forget(run.id for run in self.runs.values() if run.ended)
            self._changed = False
        except CryptoProxyError as error:
            self._often.warning("untold", f"how far history has come is not told: {error}")
