"""The choice in the terms of kafka-python."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kafka import TopicPartition
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from cryptoproxy.producer.lease.claims import Choice, Claim, LeaseAssignor

TOPIC = "crypto-data.lease"


def assignor(process: str = "a", *, term: int | None = None) -> LeaseAssignor:
    return LeaseAssignor(TOPIC, lambda: Claim(process=process, client=0, waiting_since=0, term=term))


def member(member_id: str, metadata: Any) -> Any:
    """As the leader sees it, after its metadata went over the wire."""
    return SimpleNamespace(member_id=member_id, metadata=ConsumerProtocolSubscription.decode(metadata.encode()))


def test_one_member_gets_the_partition_and_all_are_answered() -> None:
    members = [member(name, assignor(name, term=term).metadata({TOPIC})) for name, term in (("a", None), ("b", 3))]
    answers = assignor().assign(None, members)
    assigned = {name: ConsumerProtocolAssignment.decode(each.encode()).partitions() for name, each in answers.items()}
    assert assigned == {"a": [], "b": [TopicPartition(TOPIC, 0)]}


def test_a_member_with_other_user_data_does_not_fail_the_rebalance() -> None:
    stranger = member("s", ConsumerProtocolSubscription(0, [TOPIC], b"\x00\x01"))
    assert assignor().assign(None, [stranger])["s"].assigned_partitions == [(TOPIC, [0])]


def test_the_verdict_belongs_to_its_generation() -> None:
    one = assignor()
    assert one.choice is None
    one.on_assignment(ConsumerProtocolAssignment(0, [(TOPIC, [0])], b""), 7)
    assert one.choice == Choice(7, chosen=True)
    one.on_assignment(ConsumerProtocolAssignment(0, [], b""), 8)
    assert one.choice == Choice(8, chosen=False)
