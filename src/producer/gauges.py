"""The numbers that change by themselves: what waits in the outbox, and how long it lasts."""

from __future__ import annotations

import logging

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.producer.capacity import Capacity, hours_in_words
from cryptoproxy.producer.outbox.outbox import DRAINS, Outbox

log = logging.getLogger(__name__)

WARN_AT = 0.8
EVERY_SECONDS = 5.0


class Gauges:
    """A thread that looks every few seconds. The budgets show theirs by themselves."""

    def __init__(
        self,
        outbox: Outbox,
        capacity: Capacity,
        metrics: PollerMetrics,
        clock: Clock,
        health: Health,
    ) -> None:
        self._outbox = outbox
        self._capacity = capacity
        self._metrics = metrics
        self._clock = clock
        self._health = health
        self._limited = Limited(log, seconds=60)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        hours = self._capacity.hours(self._outbox.bytes_used())
        log.info(
            "the outbox %s holds %s of polls at this plan (OUTBOX_MAX_SIZE)", self._outbox.folder, hours_in_words(hours)
        )
        while loop.running:
            self.look()
            loop.wait(EVERY_SECONDS)

    def look(self) -> None:
        """Sets every gauge; warns of an outbox that fills, and of a drain whose room is full."""
        used = self._outbox.bytes_used()
        passed = self._outbox.passes_over()
        for drain in DRAINS:
            if drain in passed:
                self._health.hold(f"outbox {drain}", passed[drain])
            else:
                self._health.release(f"outbox {drain}")
            self._metrics.outbox_bytes.labels(drain).set(self._outbox.bytes_waiting(drain))
            self._metrics.outbox_polls.labels(drain).set(self._outbox.count(drain))
            oldest = self._outbox.oldest(drain, 1)
            age = (self._clock.now_ms() - oldest[0].slot_ms) / 1000 if oldest else 0.0
            self._metrics.outbox_age.labels(drain).set(age)
        # While one drain is passed over, what the folder has beyond is there for the other.
        beyond = self._outbox.max_bytes - self._outbox.stops_at if passed else 0
        hours = self._capacity.hours(used - beyond)
        self._metrics.outbox_hours.set(hours)
        if not passed and used >= WARN_AT * self._outbox.stops_at:
            waiting = ", ".join(f"{self._outbox.count(drain)} polls for {drain}" for drain in DRAINS)
            self._limited.warning(
                "full",
                f"the outbox is {100 * used / self._outbox.stops_at:.0f} % full ({waiting}); polling stops in about "
                f"{hours_in_words(hours)} unless they are delivered (OUTBOX_MAX_SIZE)",
            )
