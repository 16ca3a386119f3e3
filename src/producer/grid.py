"""The slots of one source: multiples of the interval in UTC, each polled once, late ones counted, not caught up."""

from __future__ import annotations

from typing import NamedTuple

from cryptoproxy.common.record import slot_of


class Due(NamedTuple):
    """A slot to deal with now.

    ``missed`` slots before it passed without a poll and were not counted yet. With ``behind_ms`` the slot is not to be
    polled: the clock was set back so far behind the last slot that was kept.
    """

    slot_ms: int
    missed: int
    behind_ms: int = 0


class Grid:
    """Decides; something else triggers. Tell it what became of each :class:`Due`.

    A slot that was kept is never due again, whatever the clock does: polled again it would give other bytes for the
    same ids. One that was given up may be, when the clock was set ahead and is right again.
    """

    def __init__(self, interval_ms: int, last: int | None) -> None:
        self.interval_ms = interval_ms
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
        slot = slot_of(now_ms, self.interval_ms)
        if slot in (self._turn, self._kept):
            return None
        if self._kept is not None and slot < self._kept:
            return Due(slot, 0, self._kept - slot)
        if self._settled is None or slot <= self._settled:
            return Due(slot, 0)
        # The last one may be of another interval, set before a restart.
        between = (slot - slot_of(self._settled, self.interval_ms)) // self.interval_ms - 1
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
        return (slot_of(now_ms, self.interval_ms) + self.interval_ms - now_ms) / 1000
