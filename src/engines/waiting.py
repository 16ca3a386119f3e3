"""Waiting for a condition with a deadline, and a lock between processes."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptoproxy.common.errors import OperatorError

Say = Callable[[str], None]
"""Takes one line for the person who waits."""

PAUSE_S = 0.05
UNTOLD_S = 2.0
LOCK_DEADLINE_S = 900.0
"""Long enough for another process to fetch 200 MB over a slow line."""


def say_nothing(line: str) -> None:
    """The default of every ``say``."""


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true before the deadline. It is asked at least once."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE_S)
    return True


@contextmanager
def locked(
    file: Path, *, why: str, say: Say = say_nothing, seconds: float = LOCK_DEADLINE_S, untold: float = UNTOLD_S
) -> Iterator[None]:
    """Holds a lock, which the kernel frees however its holder ends. ``why`` completes "another process …"."""
    with file.open("a") as handle:

        def taken() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not until(taken, untold):
            say(f"another process {why}: waiting for it")
            if not until(taken, seconds):
                raise OperatorError(
                    f"another process {why} for more than {seconds:.0f} s (lock: {file})",
                    remedy="Wait for it or end it, then try again.",
                )
        yield
