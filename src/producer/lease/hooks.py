"""What others do when this process gets or loses the lease: in order, beside the lease's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

from cryptoproxy.common.retry import Backoff
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.lease.membership import in_background

log = logging.getLogger(__name__)

Hook = Callable[[], None]


class Hooks:
    """A hook for getting the lease that raises a TransientError or OperatorError is tried again, and all before it
    with it. Any other error ends the process."""

    def __init__(self, *, backoff: Backoff | None = None) -> None:
        self.acquired: list[Hook] = []
        self.lost: list[Hook] = []
        self.trouble: CryptoProxyError | None = None
        """Why the process is not ready to poll yet."""
        self._backoff = backoff or Backoff(cap=5.0)
        self._term: int | None = None
        self._next_try = 0.0
        self._preparing: Future[None] | None = None
        self._losing: Future[None] | None = None
        self._last: Future[None] | None = None

    def prepared(self, term: int, now: float) -> bool:
        """Whether everything is ready to poll in this term of the lease; starts what is needed for it."""
        if term != self._term:
            self._term, self._preparing, self._next_try, self.trouble = term, None, 0.0, None
        if self._preparing is None:
            if now < self._next_try:
                return False
            self._preparing = self._start("lease-acquired", self.acquired)
        if not self._preparing.done():
            return False
        try:
            self._preparing.result()
        except (TransientError, OperatorError) as error:
            self.trouble, self._preparing = error, None
            self._next_try = now + self._backoff.next()
            log.warning("this is the poller to go on, but polling cannot begin: %s", error)
            return False
        self._backoff.reset()
        self.trouble = None
        return True

    def lose(self) -> Future[None]:
        """Begins what is to be done when this process does not poll any more."""
        self._term = None
        self._losing = self._start("lease-lost", self.lost)
        return self._losing

    def check(self) -> None:
        """Raises what went wrong with :meth:`lose`, except what only needs to be known."""
        if self._losing is None or not self._losing.done():
            return
        losing, self._losing = self._losing, None
        try:
            losing.result()
        except (TransientError, OperatorError) as error:
            log.warning("this poller has stopped polling; what a successor wants to know is not told: %s", error)

    def _start(self, name: str, hooks: list[Hook]) -> Future[None]:
        def run() -> None:
            for hook in hooks:
                hook()

        self._last = in_background(name, run, after=self._last)
        return self._last
