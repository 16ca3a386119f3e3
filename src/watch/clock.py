"""What time it is for watch."""

from __future__ import annotations

import time


class SteadyClock:
    """The machine's clock as it was at the start, and what has passed since: setting that makes nothing stale."""

    def __init__(self) -> None:
        self._wall, self._begun = time.time_ns() // 1_000_000, time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._wall + int((time.monotonic() - self._begun) * 1000)

    def stamp_ms(self) -> int:
        """For brokers, which refuse what is an hour ahead of them: by the earlier of the two clocks. The machine's may
        be ahead now, and this one if that was so at the start."""
        return min(self.now_ms(), time.time_ns() // 1_000_000)

    def catch_up(self) -> None:
        """Records say that it is slow: if the machine's was set right since the start, it goes by that from now on."""
        ahead = time.time_ns() // 1_000_000 - self.now_ms()
        if ahead > 0:
            self._wall += ahead
