"""How much a team may ask of one process: so many questions a minute, so many streams at once."""

from __future__ import annotations

LEAST_AT_ONCE = 10
AT_ONCE = 6
"""Of the questions a minute the share that may come at once, so that a page of charts is no flood."""


class Bucket:
    """So many a minute, evenly; a share of them at once."""

    __slots__ = ("_ahead", "_every", "_full")

    def __init__(self, per_minute: int) -> None:
        self._every = 60 / per_minute
        self._ahead = self._every * max(LEAST_AT_ONCE, per_minute / AT_ONCE)
        self._full = 0.0
        """When all that was taken would have come evenly."""

    def take(self, now: float) -> float:
        """Takes one and gives 0, or gives the seconds until there is one."""
        after = max(self._full, now) + self._every
        if (wait := after - self._ahead - now) > 1e-6:
            return wait
        self._full = after
        return 0.0


class Places:
    """For streams."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken = 0

    def take(self, most: int) -> bool:
        """One of so many; False where they are all taken."""
        if self._taken >= most:
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        self._taken -= 1
