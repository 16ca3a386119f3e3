"""The second way in: history. Walks through the past of what somebody wants, one call at a time, on what is left over.

Live polling goes first: the budget grants history only what no poll has planned for, and nothing is asked while the
outbox is more than a quarter full. After each page it is idle for as long as it has worked on it, so that it has the
processor and the disk for half of the time at most; after a refusal it waits twice as long as live polls do.
A page is kept, then its cursor; a kill in between asks for that page once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Loop
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.history.agenda import Agenda
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.feeds.history.walk import Cursor, Walk
from cryptoproxy.producer.feeds.lines import lines_of
from cryptoproxy.producer.feeds.poll import PollOnce, SlotMissedError, Wait
from cryptoproxy.producer.feeds.symbols import KeptQuotes, load
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.upstreams.base import Call, Priority, RefusedError, Rejected, Response, Source, SymbolList
from cryptoproxy.upstreams.history import History

log = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
CALL_SECONDS = 60.0
"""One call may wait so long for its budget before it is tried anew; the loop turns meanwhile."""
AFTER_BAN_SECONDS = 900.0
"""An upstream that has refused is asked by live polls first; history waits as long again, but no longer than this."""
OUTBOX_SHARE = 4
"""Above one part in so many of the outbox history waits."""


class Stopped(Exception):  # noqa: N818 - no error: the process stops, or another poller takes over
    """Goes on elsewhere, or at the next start."""


class HistoryLoop:
    """Give :meth:`run` a thread.

    Args:
        histories: what makes the past of each feed, by its name.
        folder: where quotes are kept: OUTBOX_DIR.
    """

    def __init__(
        self,
        histories: Mapping[str, Callable[[], History]],
        agenda: Agenda,
        *,
        budgets: Mapping[str, Budget],
        outbox: Outbox,
        may_poll: Callable[[], bool],
        metrics: PollerMetrics,
        clock: Clock,
        timeout: float,
        folder: Path,
    ) -> None:
        self._histories = histories
        self.agenda = agenda
        self._budgets = budgets
        self._outbox = outbox
        self._may_poll = may_poll
        self._metrics = metrics
        self._clock = clock
        self._timeout = timeout
        self._folder = folder
        self._made: dict[str, tuple[History, PollOnce]] = {}
        self._asking = 0.0
        """Seconds for which upstream and budget were waited for, so far."""
        self._often = Limited(log, seconds=60, clock=clock.monotonic)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        agenda, active = self.agenda, False
        while loop.running:
            if not self._may_poll():
                if active:
                    agenda.lose()
                active = False
                loop.wait(0.5)
                continue
            try:
                if not active:
                    agenda.take_over()
                    active = True
                agenda.look()
                agenda.tell()  # who asks for a run waits for this, not for its first page
                begun, asking = self._clock.monotonic(), self._asking
                worked = self.step(loop)
                if worked:
                    loop.wait(self._clock.monotonic() - begun - (self._asking - asking))
                if self._may_poll():
                    agenda.tell(now=not worked)
            except Stopped:
                continue
            except CryptoProxyError as error:
                self._often.warning("away", f"history waits: {error}")
                worked = False
            if not worked:
                loop.wait(WAIT_SECONDS)
        agenda.close()

    def step(self, loop: Loop) -> bool:
        """One page of the run that is next. False if there is none, or it has to wait.

        Raises:
            Stopped: the process stops, or does not poll any more.
            CryptoProxyError: what it waits for.
        """
        run = self.agenda.next()
        if run is None:
            return False
        begun = self._clock.monotonic()
        if (used := self._outbox.bytes_used()) * OUTBOX_SHARE > self._outbox.stops_at:
            self.agenda.hold(run, f"the outbox is more than a quarter full ({used} of {self._outbox.stops_at} bytes)")
            return False
        try:
            history, asker = self._history(run.feed)
            walk = self._walk(run, history, asker, loop)
            if walk is None:
                self.agenda.end(run)
                return True
            records = walk.step(lambda call: self._asked(asker, call, loop))
        except SlotMissedError as error:
            raise Stopped from error
        except (TransientError, OperatorError) as error:
            self.agenda.failed(run, error)
            return True
        try:
            self.agenda.announce(run, history.feed)
            self._keep(history, walk.rejected, records)
        except (TransientError, OperatorError) as error:
            self.agenda.failed(run, error, ours=True)
            return True
        run.walks[walk.symbol] = walk.cursor
        self.agenda.advanced(run, self._clock.monotonic() - begun)
        return True

    def _history(self, feed: str) -> tuple[History, PollOnce]:
        if feed not in self._made:
            if feed not in self._histories:
                raise OperatorError(
                    f"there is no history of {feed}", remedy=f"There is of {', '.join(self._histories)}"
                )
            history = self._histories[feed]()
            self._made[feed] = (
                history,
                PollOnce(
                    cast("Source", history),
                    budget=self._budgets[history.upstream],
                    get=Fetcher().get,
                    clock=self._clock,
                    metrics=self._metrics,
                    timeout=self._timeout,
                    priority=Priority.HISTORY,
                ),
            )
        return self._made[feed]

    def _walk(self, run: Run, history: History, asker: PollOnce, loop: Loop) -> Walk | None:
        """That of the first symbol that has not come to its end; None where all have."""
        if not run.walks or (run.since and not run.walks.keys() >= set(history.symbols)):
            for symbol in self._symbols(run, history, asker, loop):
                run.walks.setdefault(symbol, Cursor())
        if not (symbol := run.under_way):
            return None
        if (symbols := history.symbol_list) is not None and symbols.quotes.of(symbol) is None:
            self._load_list(history, symbols, asker, loop)
        span = Span(run.begin_ms, min(run.end_ms, history.last_ms(self._clock.now_ms()) + 1))
        cursor = replace(run.walks[symbol])
        return Walk(history, symbol, span, cursor, now_ms=self._clock.now_ms)

    def _symbols(self, run: Run, history: History, asker: PollOnce, loop: Loop) -> Sequence[str]:
        """Those of the run.

        Raises:
            OperatorError: there are none.
        """
        named = run.symbols or history.symbols
        if run.quote and (symbols := history.symbol_list) is not None:
            self._load_list(history, symbols, asker, loop)
            named = sorted(symbol for symbol, quote in symbols.quotes.known.items() if quote == run.quote)
        if not named:
            raise OperatorError(
                f"history of {run.feed}: no symbols", remedy="Name them (--symbols, or the feed's own setting)"
            )
        return named

    def _load_list(self, history: History, symbols: SymbolList, asker: PollOnce, loop: Loop) -> None:
        """The quote is a part of an id: what is told once is kept, as that of a poll is.

        Raises:
            TransientError: the list cannot be had.
        """
        call = symbols.next_call(None)
        kept = KeptQuotes(self._folder / "symbols", history.feed.name, symbols.quotes, call.url if call else "")
        if not load(history.feed.name, symbols, lambda call: self._asked(asker, call, loop)[0]):
            raise TransientError(f"{history.upstream}'s list of symbols cannot be had")
        kept.save()

    def _asked(self, asker: PollOnce, call: Call, loop: Loop) -> tuple[Response, int]:
        """Raises:
        SlotMissedError: the process stops, or does not poll any more.
        """

        def wait(seconds: float) -> bool:
            return loop.wait(seconds) or not self._may_poll()

        begun = self._clock.monotonic()
        try:
            while True:
                if wait(0):
                    raise SlotMissedError("stopped", "the process stops")
                try:
                    answer = asker.ask(call, self._clock.now_ms() + round(CALL_SECONDS * 1000), wait)
                    return answer, self._clock.now_ms()
                except (SlotMissedError, RefusedError) as error:
                    reason = error.reason if isinstance(error, SlotMissedError) else "banned"
                    if reason == "stopped":
                        raise
                    if reason == "late":
                        raise TransientError(str(error)) from error
                    self.agenda.tell()
                    self._leave_alone(asker.ban_ends_in(), wait)
        finally:
            self._asking += self._clock.monotonic() - begun

    def _leave_alone(self, banned: float, wait: Wait) -> None:
        """An upstream that grants nothing for so many seconds, and then live polls first."""
        until = self._clock.monotonic() + (banned + min(banned, AFTER_BAN_SECONDS) or WAIT_SECONDS)
        while (left := until - self._clock.monotonic()) > 0:
            if wait(min(left, WAIT_SECONDS)):
                return

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
