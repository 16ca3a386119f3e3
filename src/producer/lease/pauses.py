"""Whether this process stood still: stopped by a signal, or on a machine that slept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 0.5


def elapsed() -> float:
    """Seconds that never step back and go on while the machine sleeps, which ``time.monotonic`` does not on Linux."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # the second one counts sleep on macOS
        if clock := getattr(time, name, None):
            return time.clock_gettime(clock)
    return time.monotonic()


class Pauses:
    """Counts pauses: times longer than ``limit`` between two looks at the clock.

    Everyone who depends on it looks; a thread of its own looks when nobody else does, so that a thread that waits for
    Kafka is no pause. Thread-safe.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = elapsed) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()
        self._count = 0
        self.longest = 0.0
        """Seconds of the longest pause since :meth:`forget`."""

    def look(self) -> int:
        """The number of pauses so far, one that ends just now included."""
        with self._lock:
            now = self._clock()
            if now - self._last > self._limit:
                self._count += 1
                self.longest = max(self.longest, now - self._last)
            self._last = now
            return self._count

    def forget(self) -> None:
        """What was paused has been dealt with."""
        self.longest = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks all the time, beside what is done in it."""
        self.look()
        end = threading.Event()

        def look_on() -> None:
            while not end.wait(EVERY):
                self.look()

        thread = threading.Thread(target=look_on, name="lease-pauses", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
