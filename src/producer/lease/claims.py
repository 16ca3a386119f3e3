"""What a member says of itself when it joins the group, and who is chosen: the same at whichever leader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from cryptoproxy.datasets.codec import ODD_NOTE

VERSION = 0
PARTITION = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Sent as user data with each join. Nothing in it changes without need: the broker answers a changed claim with
    another rebalance."""

    process: str
    """Different for each start of a process."""
    client: int
    """Counts the Kafka clients of this process: one that was given up leaves a member behind for a while."""
    waiting_since: int
    """Epoch milliseconds."""
    term: int | None = None
    """The number of the lease that it holds; None for one that waits."""

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def decode(data: bytes | None) -> Claim | None:
    """None for what is no claim: a member of another version is no reason to fail a rebalance."""
    try:
        content = json.loads(data or b"")
        term = content.get("term")
        return Claim(
            process=str(content["process"]),
            client=int(content["client"]),
            waiting_since=int(content["waiting_since"]),
            term=None if term is None else int(term),
        )
    except (*ODD_NOTE, AttributeError):
        return None


def choose(members: Iterable[tuple[str, Claim | None]]) -> str | None:
    """The member id that has the lease from now on; None without any member.

    The holder keeps it. Of two that claim it (one was cut off, so another was chosen) the later term wins, since that
    one polls by Kafka's own word. Without a holder, it goes to the one that waits longest.
    """
    known: dict[str, tuple[str, Claim]] = {}
    strangers: list[str] = []
    for member_id, claim in members:
        if claim is None:
            strangers.append(member_id)
            continue
        other = known.get(claim.process)
        if other is None or claim.client > other[1].client:
            known[claim.process] = (member_id, claim)
    if not known:
        return min(strangers, default=None)
    return min(known.values(), key=_precedence)[0]


def _precedence(member: tuple[str, Claim]) -> tuple[bool, int, int, str]:
    member_id, claim = member
    return claim.term is None, -(claim.term or 0), claim.waiting_since, member_id


@dataclass(frozen=True, slots=True)
class Choice:
    """What the leader decided for this member in one generation of the group."""

    generation: int
    chosen: bool


class LeaseAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """:func:`choose` for kafka-python, which calls it on its own thread.

    Eager, though nothing is given up at a rebalance: what counts is :attr:`choice`, not kafka-python's assignment,
    so the holder goes on until a new generation says otherwise."""

    name = "cryptoproxy-lease"

    def __init__(self, topic: str, claim: Callable[[], Claim]) -> None:
        self._topic = topic
        self._claim = claim
        self.choice: Choice | None = None

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
        self.choice = Choice(generation, bool(assignment.partitions()))
