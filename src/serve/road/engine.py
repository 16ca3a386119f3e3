"""Elasticsearch or the lake, as those who look for the past ask it: by many threads, also while it is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar

from cryptoproxy.errors import CryptoProxyError, TransientError
from cryptoproxy.queries.backend import Backend

T = TypeVar("T")


class Engine:
    """Thread-safe."""

    def __init__(self, make: Callable[[], Backend]) -> None:
        self._make = make
        self._one = threading.Lock()
        """The lake's connection is one thread's at a time: another's question would take the rows away from it."""
        self._away = False
        self._trial = threading.Lock()

    def ask(self, find: Callable[[Backend], T]) -> T:
        """While it does not answer one question tries, and the others do not wait for that: frozen it would have all
        threads of the door for half a minute each.

        Raises:
            TransientError, OperatorError: it cannot answer.
        """
        tries = self._away
        if tries and not self._trial.acquire(blocking=False):
            raise TransientError("what holds the past does not answer")
        try:
            backend = self._make()
            with self._one if backend.name == "lake" else nullcontext():
                found = find(backend)
        except TransientError:
            self._away = True
            raise
        finally:
            if tries:
                self._trial.release()
        self._away = False
        return found


def best_of(
    engines: Sequence[Engine], find: Callable[[Backend], T], *, size: Callable[[T], int], enough: Callable[[T], bool]
) -> T:
    """The most that one of the engines holds; the later are asked if the earlier do not hold enough. Blocks.

    Raises:
        TransientError, OperatorError: none of them can answer.
    """
    best: T | None = None
    failed: CryptoProxyError | None = None
    for engine in engines:
        try:
            found = engine.ask(find)
        except CryptoProxyError as error:
            failed = failed or error
            continue
        if best is None or size(found) > size(best):
            best = found
        if enough(best):
            break
    if best is None:
        raise failed or TransientError("there is nothing to ask for the past")
    return best
