"""A clock that a test turns: real time, which passes, and the wall clock, which may be stepped besides."""

from __future__ import annotations

NOON_MS = 1_795_262_400_000  # 2026-11-21T12:00:00Z


class HandClock:
    def __init__(self, wall_ms: int = NOON_MS, *, uptime_ms: int = 5_000_000) -> None:
        self.real_ms = uptime_ms
        self.wall_offset_ms = wall_ms - uptime_ms

    def now_ms(self) -> int:
        return self.real_ms + self.wall_offset_ms

    def monotonic(self) -> float:
        return self.real_ms / 1000

    def turn(self, seconds: float) -> None:
        """Time passes."""
        self.real_ms += round(seconds * 1000)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall_offset_ms += round(seconds * 1000)

    def boot(self, seconds: float = 180) -> None:
        """The machine goes down and comes up again so much later: its monotonic clock begins anew."""
        now_ms = self.now_ms() + round(seconds * 1000)
        self.real_ms = 10_000
        self.wall_offset_ms = now_ms - self.real_ms
