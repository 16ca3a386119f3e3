"""One process's place in the group of the pollers: a Kafka client that is a member, and one that reads the note; and
having such clients, with new ones when the old are of no use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState

from cryptoproxy.common.clients.kafka import meaning, see_a_rejoin_through
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.lease import note as notes
from cryptoproxy.producer.lease.claims import PARTITION, Claim, LeaseAssignor
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.producer.lease.tenure import Standing
from cryptoproxy.producer.lease.timing import Timing

LONGEST_WAIT = 5.0
T = TypeVar("T")

# A refusal that the standing explains: see Membership.confirm.
_NO_CONFIRMATION = (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError)


class Membership:
    """Not thread-safe. kafka-python keeps the place on a thread of its own, as long as :meth:`turn` is called.

    Notes are read by a client that is no member. The broker answers the requests of one connection one after the
    other, and a join waits for a dead member as long as its session lasts: a question behind it would time out, and
    kafka-python would then drop the connection and the join with it.
    """

    def __init__(self, member: Any, reader: Any, assignor: LeaseAssignor, kafka: Kafka, timing: Timing) -> None:
        self.answers = 0
        """Round trips so far: to see whether these clients still reach Kafka."""
        self._member = member
        self._reader = reader
        self._assignor = assignor
        self._kafka = kafka
        self._answer_ms = int(timing.answer * 1000)
        self._partition = TopicPartition(kafka.lease_topic, PARTITION)
        member.subscribe([kafka.lease_topic])

    @classmethod
    def open(
        cls, connect: Callable[..., Any], kafka: Kafka, timing: Timing, *, client_id: str, claim: Callable[[], Claim]
    ) -> Membership:
        """Finds Kafka and the topic; joins with the first :meth:`turn`. May take long.

        Raises:
            OperatorError: the topic is missing, or Kafka refuses.
            TransientError: no broker answers.
        """
        assignor = LeaseAssignor(kafka.lease_topic, claim)
        connect = partial(connect, group_id=kafka.lease_topic)
        with ExitStack() as undone, _explained(kafka):
            reader = connect(client_id=f"{client_id}-notes", **timing.reader_options())
            undone.callback(reader.close, timeout_ms=0)
            if not reader.partitions_for_topic(kafka.lease_topic):
                raise OperatorError(
                    f"topic {kafka.lease_topic} is missing at {','.join(kafka.brokers)}, or this user may not see it",
                    remedy="Run `cryptoproxy setup`",
                )
            member = connect(client_id=client_id, partition_assignment_strategy=[assignor], **timing.member_options())
            undone.pop_all()
        return cls(member, reader, assignor, kafka, timing)

    def turn(self, seconds: float) -> None:
        """Takes part in what goes on in the group, for so long.

        Raises:
            OperatorError: Kafka refuses.
            TransientError: it did not work this time.
        """
        with _explained(self._kafka):
            see_a_rejoin_through(self._member)
            self._member.poll(timeout_ms=int(seconds * 1000))
            # Nothing is read: the partition's leader need not even be there.
            self._member.pause(*self._member.assignment())

    def standing(self) -> Standing:
        """At this moment, without asking Kafka."""
        group = self._member.group_metadata()
        choice = self._assignor.choice
        stable = group.state == MemberState.STABLE
        return Standing(
            member_id=group.member_id,
            generation=group.generation_id,
            settled=stable and choice is not None and choice.generation == group.generation_id,
            chosen=choice is not None and choice.chosen,
        )

    def confirm(self, note: Note) -> bool:
        """Writes the note; Kafka takes it from members of the present generation only. False if it did not take it:
        then :meth:`standing` tells whether this process was put out or a rebalance is under way.

        Raises:
            OperatorError: Kafka refuses for another reason.
            TransientError: no answer in time.
        """
        offsets = {self._partition: OffsetAndMetadata(0, note.encode(), -1)}
        with _explained(self._kafka):
            try:
                self._member.commit(offsets, timeout_ms=self._answer_ms)
            except _NO_CONFIRMATION:
                return False
        self.answers += 1
        return True

    def read(self) -> Note | None:
        """The last note that was written.

        Raises:
            OperatorError: Kafka refuses.
            TransientError: no answer in time.
        """
        with _explained(self._kafka):
            stored = self._reader.committed(self._partition, metadata=True, timeout_ms=self._answer_ms)
        self.answers += 1
        return None if stored is None else notes.decode(stored.metadata)

    def leave(self) -> None:
        """Leaves the group, so that a successor is chosen at once.

        Raises:
            OperatorError, TransientError: without Kafka's answer.
        """
        with _explained(self._kafka):
            try:
                self._reader.close(autocommit=False, timeout_ms=0)
            finally:  # else its threads and sockets stay, and with them the place in the group
                self._member.close(autocommit=False, timeout_ms=self._answer_ms)


@contextmanager
def _explained(kafka: Kafka) -> Iterator[None]:
    """Kafka's errors by their meaning."""
    try:
        yield
    except kafka_errors.KafkaError as error:
        raise meaning(error, kafka) from error


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
                self._opening, self._opening_since = in_background("lease-open", self._open), now
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
            in_background("lease-close", fresh.leave)  # the old one has come back meanwhile
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
            in_background("lease-close", self.membership.leave)
            self.membership = None


def _leave(opening: Future[Membership]) -> None:
    """Of one that took so long that nobody waits for it any more."""
    if opening.exception() is None:
        opening.result().leave()


def in_background(name: str, job: Callable[[], T], *, after: Future[None] | None = None) -> Future[T]:
    """What may take long is done beside the lease's thread, which must go on polling its group.

    Runs ``job`` on a daemon thread, when ``after`` has ended: the process can end without it, whatever it waits
    for (an executor's threads are waited for at exit)."""
    future: Future[T] = Future()

    def run() -> None:
        if after is not None:
            wait([after])
        try:
            result = job()
        except BaseException as error:  # noqa: BLE001 - raised again by result(), where it is decided on
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
