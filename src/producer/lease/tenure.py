"""One process's way to the lease and out of it: a state machine without clock, threads or Kafka.

    WAITING ──chosen──► CHOSEN ──took it──► PREPARING ──prepared──► ACTIVE
       ▲                  │                     │                     │
       └──────────────────┴──────── another one has it ───────────────┘

A rebalance under way changes nothing. Neither does being put out of the group, for one who holds the lease: Kafka may
have stood still itself and put everybody out. It claims the lease when it joins again, and has it until another one
was chosen, or has written its note.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cryptoproxy.producer.lease.claims import Claim


class Stage(Enum):
    WAITING = "waiting"
    CHOSEN = "chosen"
    """By the group's leader; whether the former holder is about to come back is not clear yet."""
    PREPARING = "preparing"
    """Has the lease by Kafka's word, and gets ready to poll."""
    ACTIVE = "active"


class Event(Enum):
    """What :meth:`Tenure.observe` found."""

    CHOSEN = "chosen"
    REPLACED = "replaced"
    """Another one was chosen."""
    PUT_OUT = "put out"
    """Kafka does not count this process as a member any more, or did not for a while."""


@dataclass(frozen=True, slots=True)
class Standing:
    """This process in the group, as its client knows it."""

    member_id: str
    generation: int
    """-1 for one that is no member."""
    settled: bool
    """No rebalance is under way, and ``chosen`` is what was decided in this generation."""
    chosen: bool


class Tenure:
    """``claim`` is called on Kafka's own thread, all else on the lease's."""

    def __init__(self, process: str, *, now_ms: int) -> None:
        self.process = process
        self.stage = Stage.WAITING
        self.term: int | None = None
        self.since_ms = 0
        self._waiting_since = now_ms
        self._client = 0
        self._member_id: str | None = None
        self._confirmed_after = -1

    @property
    def holds(self) -> bool:
        return self.stage in (Stage.PREPARING, Stage.ACTIVE)

    def claim(self) -> Claim:
        """What to say at the next join."""
        return Claim(process=self.process, client=self._client, waiting_since=self._waiting_since, term=self.term)

    def observe(self, standing: Standing, *, now_ms: int) -> Event | None:
        """Takes notice of the standing; None if that changed nothing."""
        if self._member_id is not None and (standing.generation < 0 or standing.member_id != self._member_id):
            self._membership_ended()
            return Event.PUT_OUT
        if not standing.settled:
            return None
        waiting = self.stage is Stage.WAITING
        if not standing.chosen:
            self.resign(now_ms=now_ms)
            return None if waiting else Event.REPLACED
        self._member_id = standing.member_id
        if waiting:
            self.stage = Stage.CHOSEN
            return Event.CHOSEN
        return None

    def take(self, *, term: int, since_ms: int) -> None:
        """Kafka has stored that this process has the lease."""
        self.stage, self.term, self.since_ms = Stage.PREPARING, term, since_ms

    def activate(self) -> None:
        """Everything is ready for the first poll."""
        self.stage = Stage.ACTIVE

    def confirmed(self, pauses: int) -> None:
        """Kafka said in a round trip, begun after so many pauses, that this is a member of the present generation."""
        self._confirmed_after = pauses

    def confirmed_since(self, pauses: int) -> bool:
        """Whether that was after the last of ``pauses``."""
        return self._confirmed_after >= pauses

    def may_poll(self, pauses: int) -> bool:
        """For any thread."""
        return self.stage is Stage.ACTIVE and self.confirmed_since(pauses)

    def client_replaced(self) -> None:
        """The next membership is a new one for reasons of our own: that says nothing about the lease."""
        self._client += 1
        self._membership_ended()

    def resign(self, *, now_ms: int) -> None:
        """Another one has the lease, or shall have it."""
        if self.holds:
            self._waiting_since = now_ms
        self.stage, self.term, self._member_id = Stage.WAITING, None, None

    def _membership_ended(self) -> None:
        self._member_id = None
        if self.stage is Stage.CHOSEN:
            self.stage = Stage.WAITING
