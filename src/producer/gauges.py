"""What waits in the outbox, and how long it lasts when nothing is delivered: estimated from the plan, then from what
polls really weigh.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.producer.outbox.files import on_disk
from cryptoproxy.producer.outbox.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import DRAINS

BYTES_PER_RECORD = 480


class Capacity:
    """Bytes per hour by feed, at the plan's interval.

    Args:
        records: how many records a poll of each feed is expected to have.
        intervals: seconds between polls.
    """

    def __init__(self, records: Mapping[str, int], intervals: Mapping[str, float], max_bytes: int) -> None:
        self._intervals = intervals
        self._max_bytes = max_bytes
        self._poll_bytes = {source: count * BYTES_PER_RECORD for source, count in records.items()}

    def measured(self, source: str, poll_bytes: int) -> None:
        """What a poll of ``source`` weighed."""
        self._poll_bytes[source] = poll_bytes

    def hours(self, used_bytes: int = 0) -> float:
        """How many hours of polls still fit."""
        per_hour = sum(on_disk(size) * 3600 / self._intervals[source] for source, size in self._poll_bytes.items())
        return max(0, self._max_bytes - used_bytes) / per_hour if per_hour else float("inf")


log = logging.getLogger(__name__)

WARN_AT = 0.8
EVERY_SECONDS = 5.0


@dataclass(eq=False)
class Gauges:
    """A thread that looks every few seconds. The budgets show theirs by themselves."""

    outbox: Outbox
    capacity: Capacity
    metrics: PollerMetrics
    clock: Clock
    health: Health

    def __post_init__(self) -> None:
        self._limited = Limited(log, seconds=60)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        hours = self.capacity.hours(self.outbox.bytes_used())
        log.info(
            "the outbox %s holds %s of polls at this plan (OUTBOX_MAX_SIZE)", self.outbox.folder, hours_in_words(hours)
        )
        while loop.running:
            self.look()
            loop.wait(EVERY_SECONDS)

    def look(self) -> None:
        """Sets every gauge; warns of an outbox that fills, and of a drain whose room is full."""
        used = self.outbox.bytes_used()
        passed = self.outbox.passes_over()
        for drain in DRAINS:
            if drain in passed:
                self.health.hold(f"outbox {drain}", passed[drain])
            else:
                self.health.release(f"outbox {drain}")
            self.metrics.outbox_bytes.labels(drain).set(self.outbox.bytes_waiting(drain))
            self.metrics.outbox_polls.labels(drain).set(self.outbox.count(drain))
            oldest = self.outbox.oldest(drain, 1)
            age = max(0.0, (self.clock.now_ms() - oldest[0].kept_ms) / 1000) if oldest else 0.0
            self.metrics.outbox_age.labels(drain).set(age)
        # While one drain is passed over, what the folder has beyond is there for the other.
        beyond = self.outbox.max_bytes - self.outbox.stops_at if passed else 0
        hours = self.capacity.hours(used - beyond)
        self.metrics.outbox_hours.set(hours)
        if not passed and used >= WARN_AT * self.outbox.stops_at:
            waiting = ", ".join(f"{self.outbox.count(drain)} polls for {drain}" for drain in DRAINS)
            self._limited.warning(
                "full",
                f"the outbox is {100 * used / self.outbox.stops_at:.0f} % full ({waiting}); polling stops in about "
                f"{hours_in_words(hours)} unless they are delivered (OUTBOX_MAX_SIZE)",
            )


def hours_in_words(hours: float) -> str:
    """``13981`` → ``583 days``: in the unit in which a person plans."""
    return f"{hours:.1f} hours" if hours < 100 else f"{hours / 24:,.0f} days"
