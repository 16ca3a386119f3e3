"""Time as the parts are given it, so that tests can turn it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for slots and stamps, monotonic time for durations."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC. May step."""

    def monotonic(self) -> float:
        """Seconds; never steps."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
