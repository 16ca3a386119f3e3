"""How long to wait before trying again: growing, with jitter, capped; what the other side asks for counts up to that.

A ban of an upstream, which counts in full, is not kept here but in the budget.
"""

from __future__ import annotations

import random
from collections.abc import Callable

CAP_SECONDS = 60.0


class Backoff:
    """Waits of one failing thing: 0.5, 1, 2, … 60 s, each with full jitter in its upper half.

    The jitter keeps a fleet of indexers from hitting a server that just came back all in the same moment.
    """

    def __init__(
        self, *, first: float = 0.5, cap: float = CAP_SECONDS, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first = first
        self._cap = cap
        self._uniform = uniform
        self.failures = 0

    def next(self, retry_after: float | None = None) -> float:
        """Counts a failure; returns the seconds to wait. ``retry_after`` is a floor, as far as the cap allows."""
        ceiling = min(self._cap, self._first * 2 ** min(self.failures, 16))
        self.failures += 1
        wait = self._uniform(ceiling / 2, ceiling)
        return wait if retry_after is None else max(wait, min(retry_after, self._cap))

    def reset(self) -> None:
        """It works again."""
        self.failures = 0
