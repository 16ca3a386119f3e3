"""How long to wait before trying again: growing, with jitter, capped; what the other side asks for counts up to that.

A ban of an upstream, which counts in full, is not kept here but in the budget.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from cryptoproxy.common.log import Limited
from cryptoproxy.errors import TransientError

log = logging.getLogger(__name__)

T = TypeVar("T")
CAP_SECONDS = 60.0
_TIME = re.compile(
    r"[\"+]?(\d+(?:\.\d*)?)\s?(?:s|secs?|seconds?|(m|mins?|minutes?)|(h|hours?)|(d|days?))?\.?\"?(?:\s?[;(].*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


def seconds_told(text: str) -> float | None:
    """The seconds that a header ``Retry-After`` tells, as its standard has it (``600``) or as servers write it that do
    not keep to that (``600.0``, ``600s``, ``10 minutes``, ``600;q=1``); None for what is no such number, as a date."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    return float(found[1]) * (86_400 if found[4] else 3600 if found[3] else 60 if found[2] else 1)


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


class Patiently(Protocol):
    """Makes one request."""

    def __call__(self, ask: Callable[[], T]) -> T: ...


def at_once(ask: Callable[[], T]) -> T:
    """Asks once: what fails is raised. For a loop that decides itself, and for a look."""
    return ask()


class Patience:
    """Asks until there is an answer: for commands, which have no loop that decides. Waits are said once a minute; what
    only a person can mend is raised.

    Args:
        what: is waited for, as it is said.
        wait: pauses for so many seconds.
    """

    def __init__(self, what: str, wait: Callable[[float], object] = time.sleep) -> None:
        self._what = what
        self._wait = wait
        self._limited = Limited(log, seconds=60)

    def __call__(self, ask: Callable[[], T]) -> T:
        backoff = Backoff()
        while True:
            try:
                result = ask()
            except TransientError as error:
                self._limited.warning(self._what, f"waits for {self._what}: {error}")
                self._wait(backoff.next(error.retry_after))
            else:
                if backoff.failures:
                    log.info("%s answers again, after %d tries that failed", self._what, backoff.failures)
                return result
