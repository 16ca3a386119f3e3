"""`cryptoproxy produce --once` and `--dry-run`: one poll of each source, for cron and for a look.

Both say what was no record and why, and end with 1 if something that was asked for is not there: a source, an asset
that the settings name, a page. A stream has no polls: it is named and left out.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso, slot_of
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.poll import Polled, PollOnce, Wait
from cryptoproxy.producer.feeds.slots import PollGrid, time_of
from cryptoproxy.producer.feeds.stream.websocket import WebSocket
from cryptoproxy.producer.feeds.symbols import kept_quotes, load
from cryptoproxy.producer.outbox.files import OutboxInUseError, lock
from cryptoproxy.producer.outbox.outbox import Outbox
from cryptoproxy.producer.planning import budgets_of, fitting_intervals, grids_of, intervals_of
from cryptoproxy.producer.statistics import RejectedLog, counted
from cryptoproxy.producer.wiring import Poller
from cryptoproxy.upstreams import pollings_of, sources_of
from cryptoproxy.upstreams.base import Call, Response, Source
from cryptoproxy.upstreams.streaming.stream import Stream

log = logging.getLogger(__name__)

DELIVER_SECONDS = 60.0
LEASE_SECONDS = 20.0
"""How long to ask who polls: long enough for the lease of one that was killed to run out."""
CHECK_SECONDS = 15.0
SLOT_SECONDS = 60.0
"""How long one source may take, retries and waits for its budget included."""
_MISSING = frozenset({"absent", "short", "no_quote"})
"""Reasons of a rejection that make the exit code 1: what was asked for did not come."""
_SAID = 20


def once(settings: Settings) -> int:
    """Polls each source, delivers, ends. 0 when all was polled and delivered; what was not delivered waits on disk.

    It takes the lease for that, and polls nothing where another poller has it; the outbox's lock keeps it from running
    beside a poller of the same folder.
    """
    return Once(Poller(settings, alone=True, lease=True)).run()


class Once:
    """One poll of each source of ``poller``, and its delivery."""

    def __init__(
        self, poller: Poller, *, deliver_seconds: float = DELIVER_SECONDS, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._poller = poller
        self._lease_seconds = lease_seconds
        self._deliver_seconds = deliver_seconds
        self._failed = False

    def run(self) -> int:
        """The exit code."""
        poller = self._poller
        if poller.lease is not None:
            poller.add_lease()
        poller.service.add("publish", poller.publisher.run)
        poller.service.add("archive", poller.archiver.run)
        poller.service.add("once", self._poll_and_deliver)
        try:
            code = poller.service.run()
        finally:
            poller.outbox.close()
        return code or (1 if self._failed else 0)

    def _poll_and_deliver(self, loop: Loop) -> None:
        self._failed |= not _has_polls(self._poller.settings)
        for source in self._poller.sources if self._may_poll(loop) else ():
            try:
                self._poll(source, loop)
            except (CryptoProxyError, OSError) as error:
                log.error("%s: not polled: %s", source.feed.name, error)  # noqa: TRY400 - a person's line, not a trace
                self._failed = True
            except Exception:  # one source's bug must not keep the others from being polled
                log.exception("%s: not polled, in a way that nobody foresaw", source.feed.name)
                self._failed = True
        self._failed |= not self._poller.deliver(loop, seconds=self._deliver_seconds)

    def _may_poll(self, loop: Loop) -> bool:
        """False, and said, where another poller is the active one. Where that cannot be known it polls all the same:
        what is missed now cannot be had later, and a poll that two have made has the same ids."""
        lease = self._poller.lease
        if lease is None:
            return True
        deadline = time.monotonic() + self._lease_seconds
        while not lease.may_poll():
            if other := lease.taken_by():
                log.error("not polled: another poller is active (%s). Its records are on the topic", other)
                self._failed = True
                return False
            if time.monotonic() > deadline:
                reason = self._poller.service.health.reasons().get("lease", "")
                log.warning("it polls without knowing whether another poller is active: %s", reason)
                break
            if loop.wait(0.05):
                break
        return True

    def _poll(self, source: Source, loop: Loop) -> None:
        poller, grid = self._poller, self._poller.grid(source.feed.name)
        last = poller.outbox.last_slot(source.feed.name)
        if last is not None and last >= grid.slot_of(poller.clock.now_ms()):
            log.info("%s was polled for %s already", source.feed.name, iso(last))
            return
        poller.outbox.require_room()
        polled = poll_now(source, poller.poll_once(source), grid, poller.clock, loop.wait)
        poller.symbols.save()
        polled.keep(poller.outbox)
        log.info(
            "%d records fetched from %s for %s in %.2f s",
            polled.records,
            source.feed.name,
            time_of(polled.slot_ms),
            polled.seconds,
        )
        self._failed |= not whole(source.feed.name, polled)


def dry_run(settings: Settings) -> int:
    """Polls each source and prints its records on standard output; needs neither Kafka nor S3, keeps nothing.

    What it asks counts in the budget of OUTBOX_DIR, which is therefore not a running poller's.
    """
    clock = SystemClock()
    upstreams = settings.upstreams
    sources = sources_of(upstreams)
    code = 0 if _has_polls(settings) else 1
    with budget_folder(
        settings,
        remedy="What that poller polls is on the topic (`cryptoproxy tail`); to ask the upstream beside it set "
        "OUTBOX_DIR to another folder, whose budget then counts apart",
    ) as folder:
        budgets = budgets_of(upstreams, folder, clock=clock)
        grids = grids_of(upstreams, intervals_of(upstreams, sources, budgets))
        for source in sources:
            try:
                kept_quotes(settings.poller.outbox_dir / "symbols", source)
                if source.symbol_list is not None:
                    source.symbol_list.quotes.waits = False
                with asker_of(settings, source, budgets, clock) as asker:
                    polled = poll_now(source, asker, grids[source.feed.name], clock, sleep)
                if not _printed(b"".join(part.content for part in polled.parts)):
                    return code
                log.info("%d records of %s, nothing sent", polled.records, source.feed.name)
                code = code if whole(source.feed.name, polled) else 1
            except CryptoProxyError as error:
                log.error("%s: not polled: %s", source.feed.name, error)  # noqa: TRY400
                code = 1
    return code


def _has_polls(settings: Settings) -> bool:
    """Names what of SOURCES has none; whether anything has."""
    polled = pollings_of(settings.upstreams)
    for name in settings.upstreams.sources:
        if name not in polled:
            log.warning("%s: a stream, which has no polls: `cryptoproxy produce` keeps it", name)
    return bool(polled)


def check_upstream(settings: Settings, source: Source) -> str:
    """What the first call of a poll of ``source`` proves, in a line: that its upstream is reached from here and takes
    our key, plan and symbols.

    The call counts in the budget of OUTBOX_DIR. Beside a poller of that folder, whose budget it is, nothing is sent:
    what was polled last answers instead.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(budget_folder(settings, remedy=""))
        except OutboxInUseError as error:
            return _polled_last(settings, source.upstream, error, clock.now_ms())
        budgets = budgets_of(settings.upstreams, folder, clock=clock)
        asker = stack.enter_context(asker_of(settings, source, budgets, clock))
        calls = source.calls()
        now_ms = clock.now_ms()
        answer = asker.ask(calls[0], now_ms + round(CHECK_SECONDS * 1000), sleep)
        left = ", ".join(f"{amount} per {window}" for window, amount in asker.budget.left().items())
    found = ""
    if len(calls) == 1:
        polling = pollings_of(settings.upstreams)[source.feed.name]
        slot_ms = slot_of(now_ms, round(polling.interval * 1000), round(polling.offset * 1000))
        poll = source.read([answer.body], slot_ms=slot_ms, fetched_at_ms=clock.now_ms())
        found = f" with {len(poll.records)} records"
    return f"{source.feed.name} was answered{found} in {answer.seconds:.2f} s; left of the budget: {left or 'no limit'}"


def check_stream(settings: Settings, stream: Stream) -> str:
    """What a connection to the venue of ``stream`` proves, and a question for its time, in a line. Nothing is
    subscribed to.

    The question counts in the budget of OUTBOX_DIR, and is not sent beside a poller of that folder.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    clock, venue = SystemClock(), stream.venue
    began = clock.monotonic()
    WebSocket(venue.url).close()
    proven = f"{venue.name} took a stream's connection in {clock.monotonic() - began:.2f} s"
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(budget_folder(settings, remedy=""))
        except OutboxInUseError:
            return proven
        budgets = budgets_of(settings.upstreams, folder, clock=clock)
        asker = stack.enter_context(asker_of(settings, cast("Source", stream), budgets, clock))
        answer = asker.ask(venue.time_call(), clock.now_ms() + round(CHECK_SECONDS * 1000), sleep)
        venue.time_in(answer)
    return f"{proven}, and what mends it answered in {answer.seconds:.2f} s"


def _polled_last(settings: Settings, upstream: str, error: OutboxInUseError, now_ms: int) -> str:
    """Raises:
    TransientError: nothing lately, and whether another machine's poller does nobody knows here.
    """
    intervals = fitting_intervals(settings.upstreams, sources_of(settings.upstreams))[upstream].by_source
    lasts = {name: Outbox.last_slot_in(settings.poller.outbox_dir, name) for name in intervals}
    told = ", ".join(f"{name} {'never' if last is None else f'for {iso(last)}'}" for name, last in lasts.items())
    answer = f"not asked beside a poller, which answers for it (process {error.holder}); polled last: {told}"
    late = [
        name
        for name, last in lasts.items()
        if last is None or now_ms - last > 1000 * (2 * intervals[name] + SLOT_SECONDS)
    ]
    if late:
        raise TransientError(f"{answer}. It misses slots, or stands by for another: `cryptoproxy status` tells which")
    return answer


@contextmanager
def asker_of(settings: Settings, source: Source, budgets: Mapping[str, Budget], clock: Clock) -> Iterator[PollOnce]:
    """Asks the upstream of ``source``, or of the past of one, within its budget."""
    with closing(Fetcher()) as fetcher:
        yield PollOnce(
            source,
            budget=budgets[source.upstream],
            get=fetcher.get,
            clock=clock,
            metrics=PollerMetrics(CollectorRegistry()),
            timeout=settings.upstreams.timeout,
        )


@contextmanager
def budget_folder(settings: Settings, *, remedy: str) -> Iterator[Path]:
    """Where the budgets are kept, with the lock that a poller of OUTBOX_DIR has.

    Raises:
        OutboxInUseError: one has it.
        OperatorError: the folder cannot be used.
    """
    folder = settings.poller.outbox_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock(folder, remedy=remedy)
    except OSError as error:
        raise OperatorError(f"the folder {folder} cannot be used: {error}", remedy="Mend OUTBOX_DIR") from error
    with held:
        yield folder / "budget"


def poll_now(
    source: Source, asker: PollOnce, grid: PollGrid, clock: Clock, wait: Wait, *, seconds: float | None = None
) -> Polled:
    """The poll of the slot under way; here it may take longer than the slot lasts."""
    end_ms = clock.now_ms() + round((SLOT_SECONDS if seconds is None else seconds) * 1000)

    def ask(call: Call) -> Response:
        return asker.ask(call, end_ms, wait)

    if source.symbol_list is not None:
        load(source.feed.name, source.symbol_list, ask)
        quotes = source.symbol_list.quotes
        quotes.waits = quotes.waits and not quotes.settled  # the list is read once; nothing newer comes
    slot_ms = grid.slot_of(clock.now_ms())
    return asker.poll(slot_ms, end_ms, wait, turn=grid.turn_of(slot_ms))


def whole(source: str, polled: Polled) -> bool:
    """Says what was rejected; whether all that was asked for by name is there."""
    if not polled.rejected:
        return True
    rows = sorted(polled.rejected, key=lambda row: (row.reason not in _MISSING, row.reason == "halted"))
    RejectedLog(source, most=_SAID).say(rows)
    log.warning("%s: no records: %s", source, counted(Counter(row.reason for row in polled.rejected)))
    return rows[0].reason not in _MISSING


def _printed(lines: bytes) -> bool:
    """False when nobody reads on (`… --dry-run | head`)."""
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python would complain about it once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
