"""What Kafka's answers are called."""

from __future__ import annotations

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.loading import load_section
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.lease.claims import Claim
from cryptoproxy.producer.lease.membership import Membership
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.producer.lease.timing import Timing
from tests.unit.producer.lease.fake_kafka import FakeKafka

KAFKA = Kafka(**load_section(Kafka, {"KAFKA_TOPIC": "crypto-data"}, []))
NOTE = Note(process="p", name="web-1:42", term=1, since=0)


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


def opened(kafka: FakeKafka) -> Membership:
    claim = Claim(process="p", client=0, waiting_since=0)
    return Membership.open(kafka.connect, KAFKA, Timing(), client_id="lease-web-1", claim=lambda: claim)


def test_its_group_and_durations_are_what_takeover_in_15_s_needs(kafka: FakeKafka) -> None:
    opened(kafka)
    options = kafka.member.options
    assert options["group_id"] == "crypto-data.lease"
    assert options["session_timeout_ms"] >= 6_000, "the brokers' least"
    assert 3 * options["heartbeat_interval_ms"] <= options["session_timeout_ms"]
    assert options["session_timeout_ms"] + 2 * options["heartbeat_interval_ms"] < 12_000
    assert options["request_timeout_ms"] > options["session_timeout_ms"]


def test_a_missing_topic_names_the_remedy_and_leaves_no_client_behind(kafka: FakeKafka) -> None:
    kafka.topic = False
    with pytest.raises(OperatorError, match=r"crypto-data\.lease is missing .* Run `cryptoproxy setup`"):
        opened(kafka)
    assert all(each.closed for each in kafka.clients)


def test_no_broker_is_transient(kafka: FakeKafka) -> None:
    kafka.up = False
    with pytest.raises(TransientError, match="Unable to bootstrap"):
        opened(kafka)


def test_it_stands_where_the_verdict_of_its_generation_says(kafka: FakeKafka) -> None:
    membership = opened(kafka)
    assert not membership.standing().settled
    kafka.member.settle(chosen=True, generation=3)
    assert (membership.standing().settled, membership.standing().chosen) == (True, True)
    kafka.member.rebalance()
    assert not membership.standing().settled
    kafka.member.settle(chosen=False, generation=4)
    assert (membership.standing().settled, membership.standing().chosen) == (True, False)
    kafka.member.learn()
    assert membership.standing().generation == -1


def test_a_note_is_taken_from_members_only(kafka: FakeKafka) -> None:
    membership = opened(kafka)
    kafka.member.settle(chosen=True)
    assert membership.confirm(NOTE)
    assert membership.read() == NOTE
    kafka.member.rebalance()
    assert not membership.confirm(NOTE)
    kafka.member.settle(chosen=True, generation=2)
    kafka.member.forget()
    assert not membership.confirm(NOTE)
    assert membership.answers == 2


def test_no_answer_is_transient(kafka: FakeKafka) -> None:
    membership = opened(kafka)
    kafka.member.settle(chosen=True)
    kafka.up = False
    with pytest.raises(TransientError):
        membership.confirm(NOTE)
    with pytest.raises(TransientError):
        membership.read()
    assert membership.answers == 0


def test_a_refusal_is_for_a_person(kafka: FakeKafka) -> None:
    membership = opened(kafka)
    kafka.error = kafka_errors.TopicAuthorizationFailedError("crypto-data.lease")
    with pytest.raises(OperatorError):
        membership.turn(0.25)


def test_a_join_that_is_under_way_is_seen_through(kafka: FakeKafka) -> None:
    """kafka-python may forget it between two polls, and would then neither join nor heartbeat any more."""
    membership = opened(kafka)
    coordinator = kafka.member._coordinator
    membership.turn(0.25)
    assert not coordinator.rejoin_needed, "a rebalance for nothing"
    coordinator.rejoining = True
    membership.turn(0.25)
    assert coordinator.rejoin_needed


def test_it_leaves_with_all_its_clients(kafka: FakeKafka) -> None:
    opened(kafka).leave()
    assert [each.closed for each in kafka.clients] == [True, True]


def test_a_client_that_cannot_be_closed_keeps_none_of_the_others_open(kafka: FakeKafka) -> None:
    membership = opened(kafka)
    reader = kafka.clients[0]

    def fail(**options: object) -> None:
        raise kafka_errors.KafkaTimeoutError

    reader.close = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(TransientError):
        membership.leave()
    assert kafka.member.closed
