"""`cryptoproxy produce --once` and `--dry-run`: one poll of each source, for cron and for a look.

Both say what was no record and why, and end with 1 if something that was asked for is not there: a source, an asset
that the settings name, a page. A stream has no polls: it is named and left out.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.producer.alone.asking import asker_of, budget_folder, poll_now, sleep, whole
from cryptoproxy.producer.feeds.slots import time_of
from cryptoproxy.producer.feeds.symbols import kept_quotes
from cryptoproxy.producer.planning import budgets_of, grids_of, intervals_of
from cryptoproxy.producer.wiring import Poller
from cryptoproxy.upstreams import pollings_of, sources_of
from cryptoproxy.upstreams.base import Source

log = logging.getLogger(__name__)

DELIVER_SECONDS = 60.0
LEASE_SECONDS = 20.0
"""How long to ask who polls: long enough for the lease of one that was killed to run out."""


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
                log.error("not polled: stopped before it was known who polls")
                self._failed = True
                return False
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
