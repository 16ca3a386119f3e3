"""Having a Kafka client in the group, and a new one when the old one is of no use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from cryptoproxy.common.errors import CryptoProxyError
from cryptoproxy.common.retry import Backoff
from cryptoproxy.producer.lease import background
from cryptoproxy.producer.lease.membership import Membership

LONGEST_WAIT = 5.0


class Connection:
    """A client that is only silent is kept until another one has reached Kafka: after a restart of the brokers it goes
    on as the member it was, while a new one waits until the old member has timed out."""

    def __init__(
        self, open_: Callable[[], Membership], *, stuck_after: float, now: float, backoff: Backoff | None = None
    ) -> None:
        self._open = open_
        self._stuck_after = stuck_after
        self._backoff = backoff or Backoff(cap=LONGEST_WAIT)
        self._opening: Future[Membership] | None = None
        self._opening_since = now
        self._next_try = now
        self._heard = now
        self._answers = 0
        self.membership: Membership | None = None
        self.trouble: CryptoProxyError | None = None
        """Why there is no client, or no new one."""

    def tend(self, now: float) -> bool:
        """Opens a client where one is needed, without waiting for it; True when it was put in place just now."""
        self._listen(now)
        needed = self.membership is None or now - self._heard > self._stuck_after
        if self._opening is None:
            if needed and now >= self._next_try:
                self._opening, self._opening_since = background.start("lease-open", self._open), now
            return False
        if not self._opening.done():
            if now - self._opening_since > self._stuck_after:
                self._opening.add_done_callback(_leave)
                self._opening = None
            return False
        opening, self._opening = self._opening, None
        try:
            fresh = opening.result()
        except CryptoProxyError as error:
            self.trouble = error
            self._next_try = now + self._backoff.next()
            return False
        self.trouble = None
        self._backoff.reset()
        if not needed:
            background.start("lease-close", fresh.leave)  # the old one has come back meanwhile
            return False
        self._abandon()
        self.membership, self._answers = fresh, 0
        self.forgive(now)
        return True

    def _listen(self, now: float) -> None:
        if self.membership is None or self.membership.answers == self._answers:
            return
        self._answers = self.membership.answers
        if self.membership.standing().settled:
            self._heard = now

    def forgive(self, now: float) -> None:
        """Kafka could not answer this client until now."""
        self._heard = now

    def drop(self, error: CryptoProxyError, now: float) -> None:
        """This client is of no use any more; a new one reads the secrets afresh."""
        self._abandon()
        self.trouble = error
        self._next_try = now + self._backoff.next()

    def _abandon(self) -> None:
        if self.membership is not None:
            background.start("lease-close", self.membership.leave)
            self.membership = None


def _leave(opening: Future[Membership]) -> None:
    """Of one that took so long that nobody waits for it any more."""
    if opening.exception() is None:
        opening.result().leave()
