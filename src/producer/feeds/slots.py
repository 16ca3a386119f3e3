"""The slots of one feed: multiples of the interval in UTC, or so much after each, and each polled once. Late ones are
counted, not caught up; those without a poll are said once per outage, with its length at the end.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.datasets import iso, slot_of
from cryptoproxy.producer.statistics import Statistics


class Due(NamedTuple):
    """A slot to deal with now.

    ``missed`` slots before it passed without a poll and were not counted yet. With ``behind_ms`` the slot is not to be
    polled: the clock was set back so far behind the last slot that was kept.
    """

    slot_ms: int
    missed: int
    behind_ms: int = 0


class PollGrid:
    """Decides; something else triggers. Tell it what became of each :class:`Due`.

    A slot that was kept is never due again, whatever the clock does: polled again it would give other bytes for the
    same ids. One that was given up may be, when the clock was set ahead and is right again.
    """

    def __init__(self, interval_ms: int, last: int | None, offset_ms: int = 0) -> None:
        self.interval_ms = interval_ms
        self.offset_ms = offset_ms
        self.begin_after(last)

    def begin_after(self, slot_ms: int | None) -> None:
        """Takes over: ``slot_ms`` is the last slot that anybody kept. Slots before a fresh start are nobody's miss."""
        self._kept = slot_ms
        self._settled = slot_ms
        """Up to here all is accounted for,"""
        self._counted = 0
        """and so many slots after it, each by itself."""
        self._turn: int | None = None

    def due(self, now_ms: int) -> Due | None:
        """The slot that ``now_ms`` lies in, if it was not dealt with yet."""
        slot = self.slot_of(now_ms)
        if slot in (self._turn, self._kept):
            return None
        if self._kept is not None and slot < self._kept:
            return Due(slot, 0, self._kept - slot)
        if self._settled is None or slot <= self._settled:
            return Due(slot, 0)
        # The last one may be of another interval, set before a restart.
        between = (slot - self.slot_of(self._settled)) // self.interval_ms - 1
        return Due(slot, max(0, between - self._counted))

    def kept(self, slot_ms: int) -> None:
        """Its poll is on disk."""
        self._kept = slot_ms
        self.given_up(slot_ms)

    def given_up(self, slot_ms: int) -> None:
        """It is missed, and so is what was missed before it."""
        self._turn = self._settled = slot_ms
        self._counted = 0

    def doubted(self, slot_ms: int) -> None:
        """It is missed because the clock is wrong: so what seems to be missed before it says nothing."""
        self._turn = slot_ms
        self._counted += 1

    def end_of(self, slot_ms: int) -> int:
        """When ``slot_ms`` ends, in ms: what was not fetched by then is missed."""
        return slot_ms + self.interval_ms

    def seconds_to_next(self, now_ms: int) -> float:
        """Until the next slot begins."""
        return (self.end_of(self.slot_of(now_ms)) - now_ms) / 1000

    def turn_of(self, slot_ms: int) -> int:
        """Its number: one more than that of the slot before it."""
        return (slot_ms - self.offset_ms) // self.interval_ms

    def slot_of(self, ms: int) -> int:
        """The slot that the moment ``ms`` lies in."""
        return slot_of(ms, self.interval_ms, self.offset_ms)


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
