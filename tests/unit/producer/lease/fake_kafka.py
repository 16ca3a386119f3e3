"""A Kafka that does what a test says: one group as its members' clients see it, and the note that is committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import OffsetAndMetadata
from kafka import errors as kafka_errors
from kafka.structs import ConsumerGroupMetadata, MemberState

from cryptoproxy.producer.lease import note as notes
from cryptoproxy.producer.lease.claims import LeaseAssignor
from cryptoproxy.producer.lease.note import Note


class FakeKafka:
    def __init__(self) -> None:
        self.up = True
        self.topic = True
        self.stored: str | None = None
        self.error: kafka_errors.KafkaError | None = None
        """Raised by each poll."""
        self.polled: Callable[[], None] = lambda: None
        """Called by each poll."""
        self.clients: list[FakeConsumer] = []

    def connect(self, **options: Any) -> FakeConsumer:
        if not self.up:
            raise kafka_errors.KafkaTimeoutError("Unable to bootstrap")
        self.clients.append(FakeConsumer(self, options))
        return self.clients[-1]

    @property
    def member(self) -> FakeConsumer:
        """The last client that is a member of the group."""
        return next(each for each in reversed(self.clients) if each.assignor)

    @property
    def note(self) -> Note | None:
        return notes.decode(self.stored)

    def write(self, note: Note) -> None:
        """What another process has committed."""
        self.stored = note.encode()


class FakeCoordinator:
    """What kafka-python knows of a join: that it has begun one, and that it needs one."""

    def __init__(self) -> None:
        self.rejoining = False
        self.rejoin_needed = False

    def request_rejoin(self) -> None:
        self.rejoin_needed = True


class FakeConsumer:
    def __init__(self, kafka: FakeKafka, options: dict[str, Any]) -> None:
        self.options = options
        strategies = options.get("partition_assignment_strategy")
        self.assignor: LeaseAssignor | None = strategies[0] if strategies else None
        self.closed = False
        self._coordinator = FakeCoordinator()
        self._kafka = kafka
        self._group = ConsumerGroupMetadata()
        self._broker_knows = True

    # What the group does to it.

    def settle(self, *, chosen: bool, member_id: str = "m", generation: int = 1) -> None:
        """A join is complete."""
        assert self.assignor is not None
        self._group = ConsumerGroupMetadata("g", generation, member_id, None, MemberState.STABLE)
        self._broker_knows = True
        assigned = [("topic", [0])] if chosen else []
        self.assignor.on_assignment(_Assignment(assigned), generation)

    def rebalance(self) -> None:
        """It has asked to join again."""
        self._group = self._group._replace(state=MemberState.REBALANCING)

    def forget(self) -> None:
        """The broker has put it out, and it does not know yet."""
        self._broker_knows = False

    def learn(self) -> None:
        """It is told by a heartbeat that it was put out."""
        self._group = ConsumerGroupMetadata()

    # What it is asked.

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0} if self._kafka.topic else set()

    def subscribe(self, topics: list[str]) -> None: ...

    def pause(self, *partitions: Any) -> None: ...

    def assignment(self) -> set[Any]:
        return set()

    def poll(self, timeout_ms: int) -> dict[Any, Any]:
        if self._kafka.error:
            raise self._kafka.error
        self._kafka.polled()
        return {}

    def group_metadata(self) -> ConsumerGroupMetadata:
        return self._group

    def commit(self, offsets: dict[Any, OffsetAndMetadata], timeout_ms: int) -> None:
        if not self._kafka.up:
            raise kafka_errors.KafkaTimeoutError
        if not self._broker_knows:
            self.learn()
            raise kafka_errors.CommitFailedError
        if self._group.state != MemberState.STABLE:
            raise kafka_errors.RebalanceInProgressError
        (self._kafka.stored,) = (each.metadata for each in offsets.values())

    def committed(self, partition: Any, metadata: bool, timeout_ms: int) -> OffsetAndMetadata | None:
        if not self._kafka.up:
            raise kafka_errors.KafkaTimeoutError
        return None if self._kafka.stored is None else OffsetAndMetadata(0, self._kafka.stored, -1)

    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None:
        self.closed = True


class _Assignment:
    def __init__(self, assigned: list[Any]) -> None:
        self._assigned = assigned

    def partitions(self) -> list[Any]:
        return self._assigned
