"""The holder's side: confirms its lease again and again, and goes on when Kafka does not answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.producer.lease.membership import Membership
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.producer.lease.tenure import Pauses, Tenure
from cryptoproxy.producer.lease.timing import Timing

log = logging.getLogger(__name__)

SAY_AGAIN = 60.0
"""Seconds between two log lines about a Kafka that does not answer."""


class Holding:
    """``doubtful`` after the membership in the group has ended: another one may have taken the lease meanwhile. Who
    takes it writes its note first, so as long as the note is ours, it is here."""

    def __init__(
        self, note: Note, tenure: Tenure, pauses: Pauses, timing: Timing, seconds: Callable[[], float]
    ) -> None:
        self.note = note
        self.unconfirmed = False
        """Kafka did not confirm the lease when it was asked last."""
        self._doubtful = False
        self._tenure = tenure
        self._pauses = pauses
        self._timing = timing
        self._seconds = seconds
        self._due = 0.0
        self._confirmed_at = 0.0
        self._say_again = seconds()

    def take(self, membership: Membership, *, term: int, now_ms: int) -> bool:
        """Writes the first note of a new term, which makes this process the holder; False if Kafka does not take it."""
        pauses = self._pauses.look()
        note = replace(self.note, term=term, since=now_ms, beat=0)
        if not membership.confirm(note):
            return False
        self.note = note
        self._tenure.take(term=term, since_ms=now_ms)
        self._confirmed(pauses)
        return True

    def doubt(self) -> None:
        """The membership has ended."""
        self._doubtful, self._due = True, 0.0

    def is_ours(self, membership: Membership, *, settled: bool) -> bool:
        """Looks at the note where there is doubt.

        Raises:
            OperatorError, TransientError: see :meth:`Membership.read`.
        """
        now = self._seconds()
        if not self._doubtful or (now < self._due and not settled):
            return True
        self._due = now + self._timing.heartbeat
        self.unconfirmed = True
        note = membership.read()
        # Without a note (Kafka came back empty) nobody has taken the lease either.
        if note is not None and (note.process, note.term) != (self.note.process, self.note.term):
            self._doubtful = False
            return False
        if settled:  # nobody outside this generation can write any more
            self._doubtful, self._due = False, 0.0
        return True

    def confirm(self, membership: Membership, *, settled: bool) -> bool:
        """Confirms if that is due; False if Kafka does not take it.

        Raises:
            OperatorError, TransientError: see :meth:`Membership.confirm`.
        """
        # Looked at before Kafka is asked: an answer that arrives after a pause proves nothing.
        now, pauses = self._seconds(), self._pauses.look()
        if now < self._due and self._tenure.confirmed_since(pauses):
            return True
        if not settled:
            # Only a member of a settled generation can confirm; a rebalance is over soon, or Kafka is away.
            self.unconfirmed |= now - self._confirmed_at > self._timing.session_timeout
            return True
        self._due = now + self._timing.confirm
        self.note = replace(self.note, beat=self.note.beat + 1)
        if not membership.confirm(self.note):
            return False
        self._confirmed(pauses)
        return True

    def unanswered(self, error: CryptoProxyError | None) -> None:
        self.unconfirmed = True
        now = self._seconds()
        if now >= self._say_again and self._tenure.may_poll(self._pauses.look()):
            self._say_again = now + SAY_AGAIN
            log.warning(
                "Kafka does not confirm that this is the one to poll%s; it polls on into the outbox. If only this "
                "process is cut off, another one polls too: their records have the same ids",
                f" ({error})" if error else "",
            )

    def release(self, membership: Membership) -> bool:
        """Says that a successor need not wait; False if Kafka does not take it.

        Raises:
            OperatorError, TransientError: see :meth:`Membership.confirm`.
        """
        return membership.confirm(replace(self.note, beat=self.note.beat + 1, released=True))

    def _confirmed(self, pauses: int) -> None:
        now = self._seconds()
        self._tenure.confirmed(pauses)
        self._pauses.forget()
        if self.unconfirmed:
            self._say_again = now
            log.info("Kafka confirms again that this is the one to poll, after %.0f s", now - self._confirmed_at)
        self._confirmed_at, self._due, self.unconfirmed = now, now + self._timing.confirm, False
