"""The side of those that wait: watch the holder's note, and take the lease when it is free."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptoproxy.common.errors import CryptoProxyError
from cryptoproxy.producer.lease import words
from cryptoproxy.producer.lease.membership import Membership
from cryptoproxy.producer.lease.note import Watch
from cryptoproxy.producer.lease.tenure import Stage, Tenure
from cryptoproxy.producer.lease.timing import Timing

log = logging.getLogger(__name__)

SAY_OFTEN, SAY_SELDOM = 5.0, 60.0
"""Seconds between two log lines about a Kafka that does not answer."""


class Waiting:
    def __init__(self, tenure: Tenure, timing: Timing, seconds: Callable[[], float]) -> None:
        self.watch = Watch(gap=2 * timing.confirm)
        self._tenure = tenure
        self._timing = timing
        self._seconds = seconds
        self._trouble: CryptoProxyError | None = None
        self._due = 0.0
        self._say_again = seconds() + SAY_OFTEN

    def hurry(self) -> None:
        """Something changed: look at once."""
        self._due = 0.0

    def look(self, membership: Membership) -> bool:
        """Looks at the note if that is due; whether the lease is there to be taken.

        Raises:
            OperatorError, TransientError: see :meth:`Membership.read`.
        """
        now = self._seconds()
        if now < self._due:
            return False
        chosen = self._tenure.stage is Stage.CHOSEN
        self._due = now + (self._timing.heartbeat if chosen else self._timing.confirm)
        note = membership.read()
        self.watch.saw(note, self._seconds())
        self._trouble = None
        return chosen and self.watch.free(self._tenure.process, silence=self._timing.silence)

    def next_term(self) -> int:
        note = self.watch.note
        return max(note.term if note else 0, self._tenure.term or 0) + 1

    def succession(self) -> str:
        """After whom the lease would be taken now, for the log."""
        note = self.watch.note
        if note is None:
            return "the first one"
        return f"after {note.name}, " + (
            "which had stopped" if note.released else f"silent for {self.watch.silent_for():.0f} s"
        )

    def unanswered(self, error: CryptoProxyError | None) -> None:
        """Kafka did not answer. One that never heard of a holder says so often: maybe nobody polls."""
        self.watch.blind()
        if error is None:
            return
        self._trouble, now = error, self._seconds()
        if now >= self._say_again:
            self._say_again = now + (SAY_OFTEN if self.watch.note is None else SAY_SELDOM)
            log.warning("not polling: %s", self.reason())

    def reason(self) -> str:
        """For `/readyz`."""
        return words.waiting(self._tenure.stage, self.watch, self._trouble)
