"""The thread of one feed: at each slot poll → keep. Nothing that happens in a poll ends it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta

import schedule

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.feeds.fetch import ClockError
from cryptoproxy.producer.feeds.poll import CallAnswer, Polled, PollOnce, SlotMissedError, Wait
from cryptoproxy.producer.feeds.slots import Due, Misses, PollGrid, time_of
from cryptoproxy.producer.outbox import Entry, Outbox, OutboxFullError
from cryptoproxy.producer.statistics import Quota, RejectedLog, Statistics

log = logging.getLogger(__name__)

QUIET_BELOW_MS = 5_000
"""Faster sources say their first poll, and then their statistics instead of a line per poll."""
_REASONS = (
    (ClockError, "clock"),
    (OutboxFullError, "outbox_full"),
    (OperatorError, "operator"),
    (CryptoProxyError, "failed"),
)
"""What a slot is missed for, by the kind of error; a label of the metric."""
STANDBY_SECONDS = 0.5
"""A standby looks so often whether it is the active poller now: a slot under way is not lost by a handover."""


@dataclass(eq=False)
class SourceLoop:
    """Wires one feed to grid, lease and outbox.

    Args:
        may_poll: whether this process is the active poller right now.
        before_poll: waits for what must have been tried before the first poll; asked each time.
        kept: told of each kept poll, when its answer had arrived (monotonic seconds), and how many bytes it has.
        answered: given its answers after that; never raises.
        quotas: what is used and left of the upstream's budget, by window.
    """

    name: str
    _: KW_ONLY
    poll: PollOnce
    grid: PollGrid
    outbox: Outbox
    may_poll: Callable[[], bool]
    before_poll: Callable[[Wait], None]
    kept: Callable[[Entry, float, int], None]
    answered: Callable[[Sequence[CallAnswer]], None]
    quotas: Callable[[], Mapping[str, Quota]]
    statistics: Statistics
    health: Health
    metrics: PollerMetrics
    clock: Clock

    def __post_init__(self) -> None:
        self._misses = Misses(self.name, statistics=self.statistics, health=self.health, metrics=self.metrics)
        self._polling = False
        self._gap = ("busy", "")
        self._poll_bytes = 0
        self._rejected_log = RejectedLog(self.name)
        self._reported = 0, 0
        self._known_from_disk()

    def run(self, loop: Loop) -> None:
        """Until the process stops. `schedule` triggers, the grid decides."""
        scheduler = schedule.Scheduler()
        job = scheduler.every(max(1, self.grid.interval_ms // 1000)).seconds.do(self.tick, loop.wait)
        self.tick(loop.wait)  # the slot under way, if it was not polled yet: no need to wait for the next
        while loop.running:
            # Left alone, a job runs an interval after its last *end*; so the grid says when the next one is.
            wait = self._seconds_to_next()
            job.next_run = datetime.now() + timedelta(seconds=wait)  # noqa: DTZ005 - schedule's own naive time
            if loop.wait(wait):
                break
            job.next_run = min(job.next_run, datetime.now())  # noqa: DTZ005 - a clock that stepped back meanwhile
            scheduler.run_pending()
        if (self.statistics.polls, self.statistics.missed) != self._reported:
            self._report()

    def _seconds_to_next(self) -> float:
        now_ms = self.clock.now_ms()
        wait = self.grid.seconds_to_next(now_ms)
        if not self._polling:
            return min(wait, STANDBY_SECONDS)
        # After a poll that took longer than its slot, the one that has begun meanwhile is not over yet.
        return wait if self.grid.due(now_ms) is None else 0.0

    def tick(self, wait: Wait) -> None:
        """Polls the slot under way, if it is due and this process is the one to do it."""
        if not self._begun(wait):
            return
        due = self.grid.due(self.clock.now_ms())
        if due is None:
            return
        reason, why = "", ""
        try:
            self._poll_and_keep(due, wait)
        except SlotMissedError as error:
            reason, why = error.reason, str(error)
        except OSError as error:
            reason = "outbox"
            why = f"the outbox {self.outbox.folder} cannot be written: {error}. Free its disk, or mend its rights"
        except CryptoProxyError as error:
            reason, why = next(reason for kind, reason in _REASONS if isinstance(error, kind)), str(error)
        except Exception as error:  # one poll's bug must not end all polling; it is said, counted, and not ready
            log.exception("%s: a poll failed in a way that nobody foresaw", self.name)
            reason, why = "error", f"unforeseen error: {type(error).__name__}: {error}"
        if reason == "clock":
            self._misses.failed(reason, due.slot_ms, why)
            self.grid.doubted(due.slot_ms)
        elif reason not in ("", "stopped"):
            self._count_gap(due)
            self._misses.failed(reason, due.slot_ms, why)
            self.grid.given_up(due.slot_ms)

    def _begun(self, wait: Wait) -> bool:
        """Whether this process polls; takes over where the poller before it has left off."""
        if self.may_poll():
            self.before_poll(wait)
        if self.may_poll() and not self._polling:
            # The poller before this one has told what it kept last; what came between, nobody polled.
            self.grid.begin_after(self._known_from_disk())
            self._gap = "no_poller", "no poller was active"
            self._polling = True
        if self._polling and not self.may_poll():  # asked again: the first poll's preparations take a while
            self._polling = False
            self._misses.stand_by()
        return self._polling

    def _known_from_disk(self) -> int | None:
        """The last slot that was kept, by whatever process: alarms on what is late must see it from the start."""
        last = self.outbox.last_slot(self.name)
        self.metrics.begin(self.name, last)
        return last

    def _poll_and_keep(self, due: Due, wait: Wait) -> None:
        if due.behind_ms:
            raise ClockError(
                f"this clock is {due.behind_ms / 1000:.0f} s behind the last slot that was polled, "
                f"{time_of(due.slot_ms + due.behind_ms)}, and no slot is polled twice",
                remedy="Set the clock (NTP) if it is wrong; else polling goes on when it has caught up",
            )
        self.outbox.require_room(self._poll_bytes)  # of the last one: no call is spent on what could not be kept
        polled = self.poll.poll(
            due.slot_ms,
            self.grid.end_of(due.slot_ms),
            wait,
            turn=self.grid.turn_of(due.slot_ms),
            interval_ms=self.grid.interval_ms,
        )
        self._poll_bytes = polled.bytes
        polled.keep(self.outbox, before_drains=lambda entry: self.kept(entry, polled.arrived, polled.bytes))
        self.answered(polled.answers)
        self._count_gap(due)
        self.grid.kept(due.slot_ms)
        self._misses.over(due.slot_ms)
        self._count(due, polled)

    def _count_gap(self, due: Due) -> None:
        reason, why = self._gap
        self._misses.passed(reason, due.slot_ms - due.missed * self.grid.interval_ms, due.missed, why)
        self._gap = "busy", "the poll before took longer than its interval"

    def _count(self, due: Due, polled: Polled) -> None:
        self.metrics.polls.labels(self.name).inc()
        self.metrics.records_polled.labels(self.name).inc(polled.records)
        self.metrics.last_poll.labels(self.name).set(due.slot_ms / 1000)
        self.metrics.fetch_seconds.labels(self.name).observe(polled.seconds)
        rejected = Counter(row.reason for row in polled.rejected)
        for reason, count in rejected.items():
            self.metrics.rows_rejected.labels(self.name, reason).inc(count)
        self._rejected_log.say(polled.rejected)
        first = self.statistics.polls == 0  # said in any case: people wait for it
        level = logging.DEBUG if self.grid.interval_ms < QUIET_BELOW_MS and not first else logging.INFO
        what = "coins" if self.name == "coingecko" else "records" if "." in self.name else "pairs"
        log.log(
            level, "%d %s fetched from %s for %s in %.2f s",
            polled.records, what, self.name, time_of(due.slot_ms), polled.seconds,
        )  # fmt: skip
        log.log(level, "next poll at %s", time_of(self.grid.end_of(due.slot_ms)))
        if self.statistics.polled(polled.records, polled.response_bytes, polled.seconds, rejected):
            self._report()

    def _report(self) -> None:
        self._reported = self.statistics.polls, self.statistics.missed
        self.statistics.report(calls=self.poll.calls, quotas=self.quotas())
