"""Asking an upstream where no poller runs: within the budget of OUTBOX_DIR, a poll or a call at a time."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.poll import Polled, PollOnce, Wait
from cryptoproxy.producer.feeds.slots import PollGrid
from cryptoproxy.producer.feeds.symbols import load
from cryptoproxy.producer.outbox.files import lock
from cryptoproxy.producer.statistics import RejectedLog, counted
from cryptoproxy.upstreams.base import Call, Response, Source

log = logging.getLogger(__name__)

SLOT_SECONDS = 60.0
"""How long one source may take, retries and waits for its budget included."""
_MISSING = frozenset({"absent", "short", "no_quote"})
"""Reasons of a rejection that make the exit code 1: what was asked for did not come."""
_SAID = 20


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


def sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
