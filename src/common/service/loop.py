"""One loop of a process."""

from __future__ import annotations

import threading
import time


class Loop:
    """Given to each loop: it asks :attr:`running` each turn, and waits by :meth:`wait`, so that a stop ends it at
    once and the watchdog sees that it turns."""

    def __init__(self, name: str, stop: threading.Event) -> None:
        self.name = name
        self._stop = stop
        self._turned = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether to go on. Asking counts as a turn."""
        self.turn()
        return not self._stop.is_set()

    def turn(self) -> None:
        """Says that the loop still turns, in the middle of something long."""
        self._turned = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Waits, in steps that the watchdog sees; returns at once at a stop. True when the process shall stop."""
        deadline = time.monotonic() + seconds
        while True:
            self.turn()
            left = deadline - time.monotonic()
            if self._stop.wait(max(0.0, min(left, 1.0))):
                return True
            if left <= 1.0:
                return False

    @property
    def seconds_since_turn(self) -> float:
        return time.monotonic() - self._turned
