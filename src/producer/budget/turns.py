"""Who waits for room, in the order in which they first asked, so that none starves.

Without it a source with cheap calls, or merely a quicker one, takes each bit of room that comes free, and a
dear call never finds enough at once. Room for those ahead is kept free; whoever does not come back in time has
given up (its slot is over) and loses the place.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

GRACE_SECONDS = 2.0
"""How late one may come back, on a busy machine."""

LONGEST_RESERVE_SECONDS = 60.0
"""A wait for the next month reserves no longer than this: others may fit into what is left."""


@dataclass(frozen=True, slots=True)
class _Place:
    cost: int
    lapses: float


class Turns:
    """Not thread-safe: its owner has a lock. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}  # in order of arrival

    def ahead_of(self, who: Hashable, now: float) -> int:
        """The cost of all that wait before ``who``; of all that wait, if it does not."""
        for gone in [other for other, place in self._places.items() if place.lapses <= now]:
            del self._places[gone]
        cost = 0
        for other, place in self._places.items():
            if other == who:
                break
            cost += place.cost
        return cost

    def wait(self, who: Hashable, cost: int, seconds: float, now: float) -> None:
        """``who`` was told to come back in so many seconds; it keeps a place that it has."""
        self._places[who] = _Place(cost, now + min(seconds, LONGEST_RESERVE_SECONDS) + GRACE_SECONDS)

    def leave(self, who: Hashable) -> None:
        """``who`` has what it asked for."""
        self._places.pop(who, None)
