"""Slots without a poll: counted by reason, and said once per outage, with its length at the end."""

from __future__ import annotations

import logging

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.record import iso
from cryptoproxy.common.service import Health
from cryptoproxy.producer.statistics import Statistics

log = logging.getLogger(__name__)


class Misses:
    """Of one source. While it cannot be polled it is not ready, and `/readyz` says why."""

    def __init__(self, source: str, *, statistics: Statistics, health: Health, metrics: PollerMetrics) -> None:
        self.source = source
        self._part = f"source {source}"
        self._statistics = statistics
        self._health = health
        self._metrics = metrics
        self._since: int | None = None
        self._count = 0
        self._why = ""

    def passed(self, reason: str, first_slot_ms: int, count: int, why: str) -> None:
        """``count`` slots from ``first_slot_ms`` on are over and nobody polled them: said when polls go on."""
        if count:
            self._add(reason, first_slot_ms, count)
            self._why = self._why or why

    def failed(self, reason: str, slot_ms: int, why: str) -> None:
        """The slot under way is given up. The first of an outage is logged, and each new reason."""
        self._add(reason, slot_ms, 1)
        self._why = why
        self._health.hold(self._part, f"no poll for {time_of(slot_ms)}: {why}")

    def over(self, slot_ms: int) -> None:
        """``slot_ms`` was polled and kept."""
        if self._since is not None:
            log.warning(
                "%s: polled again at %s; %d slots missed since %s (%.0f s): %s",
                self.source, time_of(slot_ms), self._count, time_of(self._since),
                abs(slot_ms - self._since) / 1000, self._why,
            )  # fmt: skip
        self.stand_by()

    def stand_by(self) -> None:
        """From now on it is another poller's business."""
        self._health.release(self._part)
        self._since, self._count, self._why = None, 0, ""

    def _add(self, reason: str, first_slot_ms: int, count: int) -> None:
        self._metrics.slots_missed.labels(self.source, reason).inc(count)
        self._statistics.missed += count
        if self._since is None:
            self._since = first_slot_ms
        self._count += count


def time_of(slot_ms: int) -> str:
    """``10:01:00``, or with its fraction where the slot has one."""
    return iso(slot_ms)[11:23].removesuffix(".000")
