"""The thread of one source: at each slot poll → keep. Nothing that happens in a poll ends it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import schedule

from common.clock import Clock
from common.errors import CryptoProxyError, OperatorError
from common.log import Limited
from common.metrics import PollerMetrics
from common.record import iso
from common.service import Health, Loop
from producer.grid import Due, Grid
from producer.outbox import Entry, Outbox, OutboxFullError
from producer.poll import Polled, PollOnce, SlotMissedError
from producer.sources.base import Rejected
from producer.statistics import Statistics

log = logging.getLogger(__name__)

QUIET_BELOW_MS = 5_000
"""Faster sources say their statistics instead of a line per poll."""
STANDBY_SECONDS = 0.5
"""A standby looks so often whether it is the active poller now: a slot under way is not lost by a handover."""
_LOGGED_ASSETS = 10_000


class SourceLoop:
    """Wires one source to grid, lease and outbox.

    Args:
        may_poll: whether this process is the active poller right now.
        before_poll: what must have been tried before the first poll.
        kept: told of each kept poll and when its answer had arrived (monotonic seconds).
        budget_left: what is left of the upstream's quotas, by window.
    """

    def __init__(
        self,
        name: str,
        *,
        poll: PollOnce,
        grid: Grid,
        outbox: Outbox,
        may_poll: Callable[[], bool],
        before_poll: Callable[[], None],
        kept: Callable[[Entry, float], None],
        budget_left: Callable[[], Mapping[str, int]],
        statistics: Statistics,
        health: Health,
        metrics: PollerMetrics,
        clock: Clock,
    ) -> None:
        self.name = name
        self._poll = poll
        self._grid = grid
        self._outbox = outbox
        self._may_poll = may_poll
        self._before_poll = before_poll
        self._kept = kept
        self._budget_left = budget_left
        self._statistics = statistics
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._limited = Limited(log, seconds=60)
        self._polling = False
        self._outage: tuple[int, int] | None = None  # first missed slot, how many so far
        self._logged: set[tuple[str, str]] = set()

    def run(self, loop: Loop) -> None:
        """Until the process stops. `schedule` triggers, the grid decides."""
        scheduler = schedule.Scheduler()
        job = scheduler.every(max(1, self._grid.interval_ms // 1000)).seconds.do(self.tick)
        self.tick()  # the slot under way, if it was not polled yet: no need to wait for the next
        while loop.running:
            # Left alone, a job runs an interval after its last *end*; so the grid says when the next one is.
            wait = self._grid.seconds_to_next(self._clock.now_ms())
            if not self._polling:
                wait = min(wait, STANDBY_SECONDS)
            job.next_run = datetime.now() + timedelta(seconds=wait)  # noqa: DTZ005 - schedule's own naive time
            if loop.wait(wait):
                break
            job.next_run = min(job.next_run, datetime.now())  # noqa: DTZ005 - a clock that stepped back meanwhile
            scheduler.run_pending()
        self._statistics.report(self._budget_left())

    def tick(self) -> None:
        """Polls the slot under way, if it is due and this process is the one to do it."""
        if not self._may_poll():
            self._polling = False
            return  # the active poller's business
        if not self._polling:
            # The poller before this one has told what it kept last; what came between, nobody polled.
            self._polling = True
            self._grid.begin_after(self._outbox.last_slot(self.name))
            self._before_poll()
            reason, why = "no_poller", "no poller was active"
        else:
            reason, why = "busy", "the poll before took longer than its interval"
        due = self._grid.due(self._clock.now_ms())
        if due is None:
            return
        if due.missed:
            self._missed(reason, due.slot_ms - due.missed * self._grid.interval_ms, due.missed, why)
        part = f"source {self.name}"
        try:
            self._poll_and_keep(due)
            self._health.release(part)
        except SlotMissedError as error:
            self._missed(error.reason, due.slot_ms, 1, str(error))
        except OutboxFullError as error:
            self._health.hold(part, str(error))
            self._missed("outbox_full", due.slot_ms, 1, str(error))
        except OSError as error:
            said = f"the outbox {self._outbox.folder} cannot be written: {error}. Free its disk, or mend its rights"
            self._health.hold(part, said)
            self._missed("outbox", due.slot_ms, 1, said)
        except OperatorError as error:
            self._health.hold(part, str(error))
            self._missed("operator", due.slot_ms, 1, str(error))
        except CryptoProxyError as error:
            self._missed("failed", due.slot_ms, 1, str(error))
        except Exception as error:  # one poll's bug must not end all polling; it is said, counted, and not ready
            log.exception("%s: a poll failed in a way that nobody foresaw", self.name)
            self._health.hold(part, f"unforeseen error: {type(error).__name__}: {error}")
            self._missed("error", due.slot_ms, 1, str(error))
        self._grid.dealt_with(due.slot_ms)

    def _poll_and_keep(self, due: Due) -> None:
        self._outbox.require_room()
        polled = self._poll.poll(due.slot_ms, self._grid.end_of(due.slot_ms))
        arrived = self._clock.monotonic()
        self._outbox.keep(
            due.slot_ms, self.name, polled.content, before_drains=lambda entry: self._kept(entry, arrived)
        )
        self._end_outage(due.slot_ms)
        self._count(due, polled)

    def _count(self, due: Due, polled: Polled) -> None:
        self._metrics.polls.labels(self.name).inc()
        self._metrics.records_polled.labels(self.name).inc(polled.records)
        self._metrics.last_poll.labels(self.name).set(due.slot_ms / 1000)
        self._metrics.fetch_seconds.labels(self.name).observe(polled.seconds)
        rejected = Counter(row.reason for row in polled.rejected)
        for reason, count in rejected.items():
            self._metrics.rows_rejected.labels(self.name, reason).inc(count)
        self._say_rejected(polled.rejected)
        quiet = self._grid.interval_ms < QUIET_BELOW_MS
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%d %s fetched from %s for %s in %.2f s; next poll at %s",
            polled.records,
            "coins" if self.name == "coingecko" else "pairs",
            self.name,
            _time(due.slot_ms),
            polled.seconds,
            _time(self._grid.end_of(due.slot_ms)),
        )
        if self._statistics.polled(polled.records, polled.response_bytes, polled.seconds, rejected):
            self._statistics.report(self._budget_left())

    def _say_rejected(self, rejected: list[Rejected]) -> None:
        for row in rejected:
            if (row.asset_id, row.reason) not in self._logged and len(self._logged) < _LOGGED_ASSETS:
                self._logged.add((row.asset_id, row.reason))
                quiet = row.reason == "halted"  # half of an exchange's list: no news
                log.log(
                    logging.DEBUG if quiet else logging.WARNING,
                    "%s: %s is no record (%s): %s", self.name, row.asset_id, row.reason, row.detail,
                )  # fmt: skip

    def _missed(self, reason: str, first_slot_ms: int, count: int, why: str) -> None:
        if reason == "stopped":
            return
        self._metrics.slots_missed.labels(self.name, reason).inc(count)
        self._statistics.missed += count
        if self._outage is None:
            self._outage = (first_slot_ms, 0)
            log.warning("%s: no poll for %s: %s", self.name, _time(first_slot_ms), why)
        else:
            self._limited.warning(
                "outage", f"{self.name}: still no poll, {self._outage[1] + count} slots so far: {why}"
            )
        self._outage = (self._outage[0], self._outage[1] + count)

    def _end_outage(self, slot_ms: int) -> None:
        if self._outage is not None:
            first, count = self._outage
            log.warning(
                "%s: polled again at %s; %d slots missed since %s (%.0f s)",
                self.name, _time(slot_ms), count, _time(first), (slot_ms - first) / 1000,
            )  # fmt: skip
            self._outage = None


def _time(ms: int) -> str:
    """``10:01:00``, or with its fraction where the slot has one."""
    text = iso(ms)[11:23]
    return text.removesuffix(".000")
