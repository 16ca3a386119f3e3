"""What one topic tells: frames as a function of time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cryptoproxy.sandbox.streams.frame import Frame

KEPT = 3
"""Seconds that are not made anew when another connection wants them."""


class Feed:
    """A topic. Every connection that has it hears the same frames.

    Args:
        make: the frames of a second since 1970, in order; ``at_ms`` of each lies within it.
        opening: what a connection is told at once when it subscribes.
    """

    def __init__(
        self, make: Callable[[int], Sequence[Frame]], opening: Callable[[int], Sequence[Frame]] | None = None
    ) -> None:
        self._make = make
        self.opening = opening or (lambda _now_ms: ())
        self._made: dict[int, Sequence[Frame]] = {}
        self._lock = threading.Lock()

    def second(self, second: int) -> Sequence[Frame]:
        with self._lock:
            found = self._made.get(second)
            if found is None:
                found = self._made[second] = self._make(second)
                for old in sorted(self._made)[:-KEPT]:
                    del self._made[old]
            return found
