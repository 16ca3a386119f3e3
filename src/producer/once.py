"""`cryptoproxy produce --once` and `--dry-run`: one poll of each source, for cron and for a look."""

from __future__ import annotations

import logging
import sys
import time

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.errors import CryptoProxyError
from common.metrics import PollerMetrics
from common.record import iso, slot_of
from common.service import Loop
from common.settings import Settings
from producer.fetch import Fetcher
from producer.outbox.outbox import DRAINS
from producer.poll import Polled, PollOnce
from producer.sources.base import Source
from producer.symbols import load
from producer.wiring import Poller, budgets_of, sources_of

log = logging.getLogger(__name__)

DELIVER_SECONDS = 60.0
SLOT_SECONDS = 60.0
"""How long one source may take, retries and waits for its budget included."""


def once(settings: Settings) -> int:
    """Polls each source, delivers, ends. 0 when all was polled and delivered; what was not delivered waits on disk.

    It takes no part in the lease; the outbox's lock keeps it from running beside a poller of the same folder.
    """
    poller = Poller(settings, alone=True)
    failed: list[str] = []

    def run(loop: Loop) -> None:
        for source in poller.sources:
            last = poller.outbox.last_slot(source.name)
            if last is not None and last >= slot_of(poller.clock.now_ms(), poller.interval_ms(source.name)):
                log.info("%s was polled for %s already", source.name, iso(last))
                continue
            try:
                slot_ms, polled = _poll(source, poller.poll_once(source), poller.interval_ms(source.name))
                poller.outbox.keep(slot_ms, source.name, polled.content)
                log.info("%d records fetched from %s in %.2f s", polled.records, source.name, polled.seconds)
            except (CryptoProxyError, OSError) as error:
                log.error("%s: not polled: %s", source.name, error)  # noqa: TRY400 - a person's line, not a trace
                failed.append(source.name)
        deadline = time.monotonic() + DELIVER_SECONDS
        while loop.running and any(poller.outbox.count(drain) for drain in DRAINS):
            if time.monotonic() > deadline:
                reasons = "; ".join(poller.service.health.reasons().values())
                failed.append("delivery")
                log.error("not delivered within %.0f s, waits on disk: %s", DELIVER_SECONDS, reasons)
                return
            loop.wait(0.05)

    poller.service.add("publish", poller.publisher.run)
    poller.service.add("archive", poller.archiver.run)
    poller.service.add("once", run)
    try:
        code = poller.service.run()
    finally:
        poller.outbox.close()
    return code or (1 if failed else 0)


def dry_run(settings: Settings) -> int:
    """Polls each source and prints its records on standard output; needs neither Kafka nor S3, keeps nothing."""
    clock = SystemClock()
    metrics = PollerMetrics(CollectorRegistry())
    budgets = budgets_of(settings.upstreams, settings.poller.outbox_dir / "budget", clock=clock, metrics=metrics)
    code = 0
    for source in sources_of(settings.upstreams):
        fetcher = Fetcher()
        asker = PollOnce(
            source,
            budget=budgets[source.upstream],
            get=fetcher.get,
            clock=clock,
            sleep=_sleep,
            metrics=metrics,
            timeout=settings.upstreams.timeout,
        )
        try:
            _, polled = _poll(source, asker, round(settings.upstreams.interval_of(source.name) * 1000))
            sys.stdout.buffer.write(polled.content)
            sys.stdout.flush()
            log.info("%d records of %s, nothing sent", polled.records, source.name)
        except CryptoProxyError as error:
            log.error("%s: not polled: %s", source.name, error)  # noqa: TRY400
            code = 1
        finally:
            fetcher.close()
    return code


def _poll(source: Source, asker: PollOnce, interval_ms: int) -> tuple[int, Polled]:
    """The slot under way and its poll; here it may take longer than the slot lasts."""
    clock = SystemClock()
    end_ms = clock.now_ms() + round(SLOT_SECONDS * 1000)
    if source.symbol_list is not None:
        load(source.name, source.symbol_list, lambda call: asker.ask(call, end_ms))
    slot_ms = slot_of(clock.now_ms(), interval_ms)
    return slot_ms, asker.poll(slot_ms, end_ms)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
