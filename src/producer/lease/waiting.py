"""The side of those that wait: watch the holder's note, and take the lease when it is free."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptoproxy.datasets.times import iso
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.lease.membership import Membership
from cryptoproxy.producer.lease.note import Note, NoteWatch
from cryptoproxy.producer.lease.tenure import Stage, Tenure
from cryptoproxy.producer.lease.timing import Timing

log = logging.getLogger(__name__)

BEGINNING = "standing by: looks for Kafka and the other pollers"
SAY_OFTEN, SAY_SELDOM = 5.0, 60.0
"""Seconds between two log lines about a Kafka that does not answer."""


class Candidacy:
    def __init__(self, tenure: Tenure, timing: Timing, seconds: Callable[[], float]) -> None:
        self.watch = NoteWatch(gap=2 * timing.confirm)
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
        return _why(self._tenure.stage, self.watch, self._trouble)


def holder(note: Note) -> str:
    return f"{note.name} polls since {iso(note.since)}"


def _why(stage: Stage, watch: NoteWatch, trouble: CryptoProxyError | None) -> str:
    """Of a process that has not got the lease."""
    if isinstance(trouble, OperatorError):
        return str(trouble)
    note = watch.note
    if not watch.sees:
        return _without_kafka(note, trouble)
    if note is None or note.released:
        return "standing by: the pollers agree who is to poll"
    if stage is Stage.CHOSEN:
        silent = f"silent for {watch.silent_for():.0f} s"
        return f"takes over from {note.name} unless it comes back, since Kafka was away ({silent})"
    return f"standing by: another poller is active ({holder(note)})"


def _without_kafka(note: Note | None, trouble: CryptoProxyError | None) -> str:
    if note is not None:
        why = f" ({trouble})" if trouble else ""
        return f"standing by: Kafka does not answer{why}; when it last did, {holder(note)}"
    if trouble is not None:
        return f"waiting for Kafka ({trouble}): without it nobody can know whether another poller is active"
    return BEGINNING
