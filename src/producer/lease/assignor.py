"""The choice of :mod:`producer.lease.claims` as a partition assignor of kafka-python. Its methods run on the client's
own thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from cryptoproxy.producer.lease.claims import Claim, choose, decode

VERSION = 0
PARTITION = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the leader decided for this member in one generation of the group."""

    generation: int
    chosen: bool


class LeaseAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Eager, though nothing is given up at a rebalance: what counts is :attr:`verdict`, not kafka-python's assignment,
    so the holder goes on until a new generation says otherwise."""

    name = "cryptoproxy-lease"

    def __init__(self, topic: str, claim: Callable[[], Claim]) -> None:
        self._topic = topic
        self._claim = claim
        self.verdict: Verdict | None = None

    def metadata(self, topics: Iterable[str]) -> Any:
        """Asked for at each join."""
        return ConsumerProtocolSubscription(VERSION, sorted(topics), self._claim().encode())

    def assign(self, cluster: Any, members: Iterable[Any]) -> dict[str, Any]:
        """At the leader only. The topic's own metadata are not asked: the choice must not depend on their age."""
        claims = {member.member_id: decode(member.metadata.user_data) for member in members}
        chosen = choose(claims.items())
        return {
            member_id: ConsumerProtocolAssignment(
                VERSION, [(self._topic, [PARTITION])] if member_id == chosen else [], b""
            )
            for member_id in claims
        }

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """At each member, when a join is complete."""
        self.verdict = Verdict(generation, bool(assignment.partitions()))
