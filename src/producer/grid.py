"""The slots of one source: multiples of the interval in UTC, each polled once, late ones counted, not caught up."""

from __future__ import annotations

from typing import NamedTuple

from common.record import slot_of


class Due(NamedTuple):
    """A slot to poll now, and how many before it passed without a poll."""

    slot_ms: int
    missed: int


class Grid:
    """Decides; something else triggers. ``last`` is the last slot dealt with: kept on disk, or given up."""

    def __init__(self, interval_ms: int, last: int | None) -> None:
        self.interval_ms = interval_ms
        self._last = last

    def due(self, now_ms: int) -> Due | None:
        """The slot that ``now_ms`` lies in, if it was not dealt with yet.

        After a clock stepped back, nothing is due until it has caught up: a slot polled again would give other bytes
        for the same ids. The slots from before the first poll of a fresh start are nobody's miss.
        """
        slot = slot_of(now_ms, self.interval_ms)
        if self._last is not None and slot <= self._last:
            return None
        if self._last is None:
            return Due(slot, 0)
        # The last one may be of another interval, set before a restart.
        return Due(slot, (slot - slot_of(self._last, self.interval_ms)) // self.interval_ms - 1)

    def begin_after(self, slot_ms: int | None) -> None:
        """Takes over: ``slot_ms`` is the last slot that anybody kept."""
        self._last = slot_ms

    def dealt_with(self, slot_ms: int) -> None:
        """``slot_ms`` was kept or given up."""
        self._last = slot_ms

    def end_of(self, slot_ms: int) -> int:
        """When ``slot_ms`` ends, in ms: what was not fetched by then is missed."""
        return slot_ms + self.interval_ms

    def seconds_to_next(self, now_ms: int) -> float:
        """Until the next slot begins."""
        return (slot_of(now_ms, self.interval_ms) + self.interval_ms - now_ms) / 1000
