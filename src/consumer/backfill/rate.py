"""Records per second: a replay must not take from live readers what they need."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """A bucket of tokens that fills at ``per_second`` and holds a second's worth; None is no limit.

    Within any ``t`` seconds at most ``per_second * (t + 1)`` records go, as long as each call's count is below a
    second's worth (:meth:`portion`).
    """

    def __init__(self, per_second: float | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._tokens = per_second or 0.0
        self._filled_at = monotonic()

    def portion(self, most: int) -> int:
        """How many records to take at once: ``most``, or a second's worth."""
        return most if self._per_second is None else max(1, min(most, int(self._per_second)))

    def take(self, count: int) -> float:
        """Takes so many tokens; the seconds to wait before the records may go."""
        if self._per_second is None:
            return 0.0
        now = self._monotonic()
        filled = self._tokens + (now - self._filled_at) * self._per_second
        self._filled_at = now
        self._tokens = min(self._per_second, filled) - count
        return max(0.0, -self._tokens / self._per_second)
