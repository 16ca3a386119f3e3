"""One process's place in the group of the pollers: a Kafka client that is a member, and one that reads the note."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState

from cryptoproxy.common.clients.kafka import meaning
from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.producer.lease import note as notes
from cryptoproxy.producer.lease.assignor import PARTITION, LeaseAssignor
from cryptoproxy.producer.lease.claims import Claim
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.producer.lease.tenure import Standing
from cryptoproxy.producer.lease.timing import Timing

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
        self._turn_ms = int(timing.turn * 1000)
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

    def turn(self) -> None:
        """Takes part in what goes on in the group, for ``timing.turn`` seconds.

        Raises:
            OperatorError: Kafka refuses.
            TransientError: it did not work this time.
        """
        self._see_a_rejoin_through()
        with _explained(self._kafka):
            self._member.poll(timeout_ms=self._turn_ms)
            # Nothing is read: the partition's leader need not even be there.
            self._member.pause(*self._member.assignment())

    def _see_a_rejoin_through(self) -> None:
        # kafka-python 3.0.12 forgets a rejoin that it began because the topic's metadata changed: if `poll` ends before
        # the group has answered, and the leader has taken the new metadata meanwhile, it sees no reason to rejoin any
        # more. It would stay half in the group, without heartbeats, until Kafka puts it out and another one polls too.
        # The flag holds until the rejoin is complete.
        coordinator = self._member._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()

    def standing(self) -> Standing:
        """At this moment, without asking Kafka."""
        group = self._member.group_metadata()
        verdict = self._assignor.verdict
        stable = group.state == MemberState.STABLE
        return Standing(
            member_id=group.member_id,
            generation=group.generation_id,
            settled=stable and verdict is not None and verdict.generation == group.generation_id,
            chosen=verdict is not None and verdict.chosen,
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
