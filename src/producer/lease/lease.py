"""The lease's own loop: takes part in the group, and decides what each answer of Kafka means for polling."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.lease.holding import Holding
from cryptoproxy.producer.lease.hooks import Hook, Hooks
from cryptoproxy.producer.lease.membership import Connection, Membership
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.producer.lease.tenure import Event, Pauses, Stage, Standing, Tenure, elapsed
from cryptoproxy.producer.lease.timing import Timing
from cryptoproxy.producer.lease.waiting import BEGINNING, Candidacy, holder

log = logging.getLogger(__name__)

PART = "lease"
FAREWELL_SECONDS = 2.0
"""For the hooks of a process that stops while it is active, before the successor is let in."""


class Lease:
    """Give :meth:`run` a thread; ask :meth:`may_poll` from any other.

    ``connect`` makes a consumer of the options it is given: ``partial(common.clients.kafka.consumer, kafka)``.
    ``identity`` is what people read of this process: host and pid. ``seconds`` must go on while the machine sleeps.
    """

    def __init__(
        self,
        kafka: Kafka,
        *,
        health: Health,
        metrics: PollerMetrics,
        connect: Callable[..., Any],
        identity: str,
        clock: Clock | None = None,
        seconds: Callable[[], float] = elapsed,
        timing: Timing | None = None,
    ) -> None:
        self._kafka = kafka
        self._health = health
        self._metrics = metrics
        self._identity = identity
        self._clock = clock or SystemClock()
        self._seconds = seconds
        self._timing = timing = timing or Timing()
        self._tenure = tenure = Tenure(uuid.uuid4().hex, now_ms=self._clock.now_ms())
        self._pauses = Pauses(timing.pause, seconds)
        self._pauses_told = 0
        self._waiting = Candidacy(tenure, timing, seconds)
        note = Note(process=tenure.process, name=identity, term=0, since=0)
        self._holding = Holding(note, tenure, self._pauses, timing, seconds)
        self._hooks = Hooks()
        self._outvoted = False
        name = f"cryptoproxy-lease-{identity}".replace(":", "-")
        self._connection = Connection(
            lambda: Membership.open(connect, kafka, timing, client_id=name, claim=tenure.claim),
            stuck_after=timing.stuck,
            now=seconds(),
        )
        health.hold(PART, BEGINNING, expected=True)

    def on_acquired(self, hook: Hook) -> None:
        """Runs each time before :meth:`may_poll` turns True for a new holder. May take long; raises a TransientError
        or OperatorError to be tried again."""
        self._hooks.acquired.append(hook)

    def on_lost(self, hook: Hook) -> None:
        """Runs when an active process is not active any more; at a stop, before it leaves the group."""
        self._hooks.lost.append(hook)

    def may_poll(self) -> bool:
        """Ask right before each poll. Never waits."""
        return self._tenure.may_poll(self._pauses.look())

    @property
    def term(self) -> int:
        """The one in which this process has the lease, or had it last; 0 before."""
        return self._holding.note.term

    def taken_by(self) -> str | None:
        """Who polls instead, once the pollers have agreed on it; None as long as that may still be this process."""
        note = self._waiting.watch.note
        if self._tenure.stage is not Stage.WAITING or not self._outvoted or note is None or note.released:
            return None
        return holder(note)

    @property
    def active(self) -> bool:
        return self.may_poll()

    def run(self, loop: Loop) -> None:
        """Until the process stops; then leaves the group, so that a successor begins at once."""
        with self._pauses.watched():
            while loop.running:
                if not self.turn():
                    loop.wait(self._timing.turn)
            self.leave()

    def turn(self) -> bool:
        """One round; False if Kafka had no part in it, so that nothing was waited for."""
        before, now = self._tenure.stage, self._seconds()
        self._notice_pause(now)
        if self._connection.tend(now):
            log.info("looks who polls: joins the pollers' group %s as %s", self._kafka.lease_topic, self._identity)
            self._tenure.client_replaced()
            self._membership_ended()
        answered = self._take_part()
        if before is Stage.ACTIVE and self._tenure.stage is not Stage.ACTIVE:
            self._hooks.lose()
        if self._tenure.stage is Stage.PREPARING and self._hooks.prepared(self._holding.note.term, now):
            self._tenure.activate()
            log.info("polling begins: this is the active poller, %s, term %d", self._identity, self._holding.note.term)
        self._hooks.check()
        self._show()
        return answered

    def _take_part(self) -> bool:
        membership = self._connection.membership
        if membership is None:
            self._unanswered(self._connection.trouble)
            return False
        try:
            polls = self._tenure.stage is Stage.ACTIVE
            membership.turn(self._timing.calm if polls else self._timing.turn)
            standing = membership.standing()
            self._notice(standing)
            if self._tenure.holds:
                self._hold(membership, standing)
            elif self._waiting.look(membership) and standing.settled:
                self._take(membership)
        except TransientError as error:
            self._unanswered(error)
            return False
        except OperatorError as error:
            self._connection.drop(error, self._seconds())
            self._unanswered(error)
            return False
        return True

    def _hold(self, membership: Membership, standing: Standing) -> None:
        if not self._holding.is_ours(membership, settled=standing.settled):
            self._tenure.resign(now_ms=self._clock.now_ms())
            log.warning("another poller has taken over meanwhile; this one does not poll any more")
        elif not self._holding.confirm(membership, settled=standing.settled):
            self._notice(membership.standing())

    def _take(self, membership: Membership) -> None:
        term, succession = self._waiting.next_term(), self._waiting.succession()
        if self._holding.take(membership, term=term, now_ms=self._clock.now_ms()):
            log.info("this poller is the one to poll from now on, %s (term %d)", succession, term)
        else:
            self._notice(membership.standing())

    def _notice(self, standing: Standing) -> None:
        self._outvoted = standing.settled and not standing.chosen
        held = self._tenure.holds
        event = self._tenure.observe(standing, now_ms=self._clock.now_ms())
        if event is not None:
            self._waiting.hurry()
        if event is Event.REPLACED and held:
            log.warning("another poller was chosen; this one does not poll any more")
        if event is Event.PUT_OUT:
            self._membership_ended()
            if held:
                log.warning("Kafka has put this poller out of the pollers' group; it joins again to see who is to poll")

    def _membership_ended(self) -> None:
        self._waiting.hurry()
        if self._tenure.holds:
            self._holding.doubt()

    def _notice_pause(self, now: float) -> None:
        pauses = self._pauses.look()
        if pauses == self._pauses_told:
            return
        self._pauses_told = pauses
        self._connection.forgive(now)
        self._waiting.watch.blind()

    def _unanswered(self, error: CryptoProxyError | None) -> None:
        if self._tenure.holds:
            self._holding.unanswered(error)
        else:
            self._waiting.unanswered(error)

    def _show(self) -> None:
        polls = self.may_poll()
        self._metrics.active.set(polls)
        self._metrics.unconfirmed.set(polls and self._holding.unconfirmed)
        if polls:
            self._health.release(PART)
        elif self._tenure.stage is Stage.PREPARING:
            trouble = self._hooks.trouble
            why = "has the lease, prepares to poll" + (f": {trouble}" if trouble else "")
            self._health.hold(PART, why, expected=trouble is None)
        elif self._tenure.holds:
            self._health.hold(
                PART,
                f"stood still for {self._pauses.longest:.0f} s: polls again when Kafka has confirmed that the lease is "
                "still here",
            )
        else:
            # With Kafka in sight a standby is as it should be.
            self._health.hold(PART, self._waiting.reason(), expected=self._waiting.watch.sees)

    def leave(self) -> None:
        """What :meth:`run` does at its end."""
        held, active = self._tenure.holds, self._tenure.stage is Stage.ACTIVE
        self._tenure.retire()
        self._metrics.active.set(0)
        self._metrics.unconfirmed.set(0)
        self._health.hold(PART, "this poller stops; the next one may begin", expected=True)
        if active:
            wait([self._hooks.lose()], FAREWELL_SECONDS)
        membership = self._connection.membership
        if membership is None:
            return
        try:
            try:
                released = held and not self._holding.unconfirmed and self._released(membership)
            finally:
                membership.leave()
        except CryptoProxyError as error:
            log.warning("left without Kafka's answer, so another poller may wait until the lease is over: %s", error)
            return
        after = "another one may begin" if released else "another one may wait until the lease is over"
        log.info("left the pollers' group%s", f"; {after}" if held else "")

    def _released(self, membership: Membership) -> bool:
        """In the middle of a rebalance, as another poller that has just started brings one, Kafka takes no note: it is
        over soon, and a successor waits longer than that without. One that was put out, and comes back in it, writes
        over no successor's note."""
        deadline = self._seconds() + self._timing.answer
        while not self._holding.release(membership):
            if self._seconds() >= deadline:
                return False
            membership.turn(self._timing.turn)
            self._holding.doubt()
            if not self._holding.is_ours(membership, settled=True):
                return False
        return True
