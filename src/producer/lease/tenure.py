"""One process's way to the lease and out of it, a state machine without clock, threads or Kafka; and whether it stood
still meanwhile.

    WAITING ──chosen──► CHOSEN ──took it──► PREPARING ──prepared──► ACTIVE
       ▲                  │                     │                     │
       └──────────────────┴──────── another one has it ───────────────┘

A rebalance under way changes nothing. Neither does being put out of the group, for one who holds the lease: Kafka may
have stood still itself and put everybody out. It claims the lease when it joins again, and has it until another one
was chosen, or has written its note.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from cryptoproxy.producer.lease.claims import Claim

EVERY = 0.5
"""Seconds between two looks for a pause."""


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

    def retire(self) -> None:
        """Polls no more. Until it has left the group its claim stays, so that no other one is chosen beside it."""
        self.stage = Stage.WAITING

    def resign(self, *, now_ms: int) -> None:
        """Another one has the lease, or shall have it."""
        if self.holds:
            self._waiting_since = now_ms
        self.stage, self.term, self._member_id = Stage.WAITING, None, None

    def _membership_ended(self) -> None:
        self._member_id = None
        if self.stage is Stage.CHOSEN:
            self.stage = Stage.WAITING


def elapsed() -> float:
    """Seconds that never step back and go on while the machine sleeps, which ``time.monotonic`` does not on Linux."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # the second one counts sleep on macOS
        if clock := getattr(time, name, None):
            return time.clock_gettime(clock)
    return time.monotonic()


class Pauses:
    """Whether this process stood still: stopped by a signal, or on a machine that slept.

    Counts pauses: times longer than ``limit`` between two looks at the clock.

    Everyone who depends on it looks; a thread of its own looks when nobody else does, so that a thread that waits for
    Kafka is no pause. Thread-safe.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = elapsed) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()
        self._count = 0
        self.longest = 0.0
        """Seconds of the longest pause since :meth:`forget`."""

    def look(self) -> int:
        """The number of pauses so far, one that ends just now included."""
        with self._lock:
            now = self._clock()
            if now - self._last > self._limit:
                self._count += 1
                self.longest = max(self.longest, now - self._last)
            self._last = now
            return self._count

    def forget(self) -> None:
        """What was paused has been dealt with."""
        self.longest = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks all the time, beside what is done in it."""
        self.look()
        end = threading.Event()

        def look_on() -> None:
            while not end.wait(EVERY):
                self.look()

        thread = threading.Thread(target=look_on, name="lease-pauses", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
