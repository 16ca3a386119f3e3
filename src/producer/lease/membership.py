"""One Kafka client in the group of the pollers. kafka-python keeps it a member on a thread of its own, as long as
:meth:`Membership.turn` is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.structs import MemberState

from common.clients.kafka import meaning
from common.errors import OperatorError, TransientError
from common.settings.catalogue import Kafka
from producer.lease import note as notes
from producer.lease.assignor import PARTITION, LeaseAssignor
from producer.lease.claims import Claim
from producer.lease.note import Note
from producer.lease.tenure import Standing
from producer.lease.timing import Timing

# A refusal that the standing explains: see Membership.confirm.
_NO_CONFIRMATION = (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError)


class Membership:
    """Not thread-safe."""

    def __init__(self, consumer: Any, assignor: LeaseAssignor, kafka: Kafka, timing: Timing) -> None:
        self._consumer = consumer
        self._assignor = assignor
        self._kafka = kafka
        self._timing = timing
        self._partition = TopicPartition(kafka.lease_topic, PARTITION)
        self.answers = 0
        """Round trips so far: to see whether this client still reaches Kafka."""
        consumer.subscribe([kafka.lease_topic])

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
        clients: list[Any] = []

        def remembered(**configs: Any) -> Any:
            clients.append(KafkaNetClient(**configs))
            return clients[-1]

        try:
            consumer = connect(
                group_id=kafka.lease_topic,
                client_id=client_id,
                partition_assignment_strategy=[assignor],
                kafka_client=remembered,
                **timing.options(),
            )
            there = consumer.partitions_for_topic(kafka.lease_topic)
        except kafka_errors.KafkaError as error:
            for client in clients:
                client.close()  # a consumer that found no broker leaves its thread and sockets behind
            raise meaning(error, kafka) from error
        if not there:
            consumer.close(timeout_ms=0)
            raise OperatorError(
                f"topic {kafka.lease_topic} is missing at {','.join(kafka.brokers)}, or may not be seen by this user",
                remedy="Run `cryptoproxy setup`",
            )
        return cls(consumer, assignor, kafka, timing)

    def turn(self) -> Standing:
        """Takes part in what goes on in the group, for ``timing.turn`` seconds.

        Raises:
            OperatorError: Kafka refuses.
            TransientError: it did not work this time.
        """
        try:
            self._consumer.poll(timeout_ms=int(self._timing.turn * 1000))
            # Nothing is read: the partition's leader need not even be there.
            self._consumer.pause(*self._consumer.assignment())
        except kafka_errors.KafkaError as error:
            raise meaning(error, self._kafka) from error
        return self.standing()

    def standing(self) -> Standing:
        """At this moment, without asking Kafka."""
        group = self._consumer.group_metadata()
        verdict = self._assignor.verdict
        settled = (
            group.state == MemberState.STABLE and verdict is not None and verdict.generation == group.generation_id
        )
        return Standing(
            member_id=group.member_id,
            generation=group.generation_id,
            settled=settled,
            chosen=verdict is not None and verdict.chosen,
        )

    def confirm(self, note: Note) -> bool:
        """Writes the note; Kafka takes it from members of the present generation only. False if it did not take it:
        then :meth:`standing` tells whether this process was put out or a rebalance is under way.

        Raises:
            OperatorError: Kafka refuses for another reason.
            TransientError: no answer in time.
        """
        try:
            self._consumer.commit(
                {self._partition: OffsetAndMetadata(0, note.encode(), -1)},
                timeout_ms=int(self._timing.answer * 1000),
            )
        except _NO_CONFIRMATION:
            return False
        except kafka_errors.KafkaError as error:
            raise meaning(error, self._kafka) from error
        self.answers += 1
        return True

    def read(self) -> Note | None:
        """The last note that was written.

        Raises:
            OperatorError: Kafka refuses.
            TransientError: no answer in time.
        """
        try:
            stored = self._consumer.committed(
                self._partition, metadata=True, timeout_ms=int(self._timing.answer * 1000)
            )
        except kafka_errors.KafkaError as error:
            raise meaning(error, self._kafka) from error
        self.answers += 1
        return None if stored is None else notes.decode(stored.metadata)

    def leave(self) -> None:
        """Leaves the group, so that a successor is chosen at once."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=int(self._timing.answer * 1000))
        except kafka_errors.KafkaError as error:
            raise TransientError(f"left the group without Kafka's answer: {error!r}") from error
