"""What each answer of Kafka, and each silence, means for polling."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace

import pytest
from kafka import errors as kafka_errors
from kafka.structs import MemberState
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.loading import load_section
from cryptoproxy.engines.machine.process import until
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.lease import Lease
from cryptoproxy.producer.lease.note import Note
from tests.conftest import PATIENCE
from tests.unit.producer.lease.fake_kafka import FakeKafka

KAFKA = Kafka(**load_section(Kafka, {"KAFKA_TOPIC": "crypto-data"}, []))
OTHER = Note(process="other", name="web-2:7", term=4, since=1_763_632_800_000, beat=1)


class Process:
    """One process with a lease, whose time stands still unless a test turns it."""

    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.now = 1000.0
        self.health = Health()
        self.registry = CollectorRegistry()
        self.calls: list[str] = []
        self.lease = Lease(
            KAFKA,
            health=self.health,
            metrics=PollerMetrics(self.registry),
            connect=kafka.connect,
            identity="web-1:42",
            seconds=lambda: self.now,
        )
        self.lease.on_acquired(lambda: self.calls.append(f"acquired, may poll: {self.lease.may_poll()}"))
        self.lease.on_lost(lambda: self.calls.append(f"lost, may poll: {self.lease.may_poll()}"))

    def turn(self, seconds: float = 0.0) -> None:
        """Time passes in small steps, as in a process that is not paused."""
        for _ in range(max(1, round(seconds / 0.5))):
            self.now += min(seconds, 0.5)
            self.lease.turn()

    def joined(self) -> Process:
        """A client is in the group, and waits."""
        assert until(self.lease.turn, PATIENCE)
        return self

    def active(self) -> Process:
        self.joined()
        self.kafka.member.settle(chosen=True)
        assert until(lambda: self.lease.turn() and self.lease.may_poll(), PATIENCE)
        return self

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"cryptoproxy_{name}")

    @property
    def reason(self) -> str | None:
        return self.health.reasons().get("lease")


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def process(kafka: FakeKafka) -> Process:
    return Process(kafka)


# --- waiting


def test_a_fresh_process_without_kafka_waits_and_says_so(
    kafka: FakeKafka, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.up = False
    process.lease.turn()
    assert until(lambda: process.lease.turn() or "Unable to bootstrap" in (process.reason or ""), PATIENCE)
    with caplog.at_level(logging.WARNING):
        for _ in range(60):
            process.turn(0.5)
    said = [each for each in caplog.messages if each.startswith("not polling: waiting for Kafka (")]
    assert 5 <= len(said) <= 7, "every 5 s"
    assert not process.lease.may_poll()
    assert process.metric("poller_active") == 0


def test_it_begins_when_kafka_is_there(kafka: FakeKafka, process: Process) -> None:
    kafka.up = False
    process.lease.turn()
    assert until(lambda: process.lease.turn() or "Unable to bootstrap" in (process.reason or ""), PATIENCE)
    kafka.up = True
    process.turn(10)
    assert process.active().lease.may_poll()


def test_a_missing_topic_is_said_with_its_remedy(kafka: FakeKafka, process: Process) -> None:
    kafka.topic = False
    assert until(lambda: process.lease.turn() or "Run `cryptoproxy setup`" in (process.reason or ""), PATIENCE)
    assert "crypto-data.lease" in (process.reason or "")
    kafka.topic = True
    process.turn(10)
    process.active()


def test_one_that_stands_by_names_the_active_one(kafka: FakeKafka, process: Process) -> None:
    kafka.write(OTHER)
    process.joined()
    kafka.member.settle(chosen=False)
    process.turn(2)
    assert process.reason == "standing by: another poller is active (web-2:7 polls since 2025-11-20T10:00:00.000Z)"
    assert process.metric("poller_active") == 0
    kafka.up = False
    process.turn(3)
    assert (process.reason or "").startswith("standing by: Kafka does not answer")


def test_the_chosen_one_prepares_before_it_polls(kafka: FakeKafka, process: Process) -> None:
    process.active()
    assert process.calls == ["acquired, may poll: False"]
    assert kafka.note is not None
    assert (kafka.note.name, kafka.note.term, kafka.note.released) == ("web-1:42", 1, False)
    assert process.lease.active
    assert process.metric("poller_active") == 1
    assert process.reason is None


def test_it_does_not_poll_before_it_could_prepare(kafka: FakeKafka, process: Process) -> None:
    away = threading.Event()

    def read_budgets() -> None:
        if not away.is_set():
            raise TransientError("the state topic does not answer")

    process.lease.on_acquired(read_budgets)
    process.joined()
    kafka.member.settle(chosen=True)
    assert until(lambda: process.lease.turn() and "state topic" in (process.reason or ""), PATIENCE)
    assert not process.lease.may_poll()
    away.set()
    process.turn(1)
    assert until(lambda: process.lease.turn() and process.lease.may_poll(), PATIENCE)


def test_it_takes_over_at_once_from_one_that_has_stopped(kafka: FakeKafka, process: Process) -> None:
    kafka.write(replace(OTHER, released=True))
    process.active()
    assert kafka.note is not None
    assert kafka.note.term == OTHER.term + 1


def test_it_takes_over_from_a_dead_one_whose_silence_it_has_watched(kafka: FakeKafka, process: Process) -> None:
    kafka.write(OTHER)
    process.joined()
    process.turn(8)
    process.active()


def test_after_kafka_was_away_it_waits_whether_the_former_holder_comes_back(kafka: FakeKafka, process: Process) -> None:
    kafka.write(OTHER)
    process.joined()
    process.turn(10)
    kafka.up = False
    process.turn(30)
    kafka.up = True
    kafka.member.settle(chosen=True, generation=2)
    process.turn(5)
    assert not process.lease.may_poll()
    assert "takes over from web-2:7 unless it comes back" in (process.reason or "")
    kafka.member.settle(chosen=False, generation=3)  # it came back
    process.turn(10)
    assert not process.lease.may_poll()
    assert kafka.note == OTHER


# --- holding


def test_a_holder_confirms_every_2_seconds(kafka: FakeKafka, process: Process) -> None:
    process.active()
    process.turn(10)
    assert kafka.note is not None
    assert kafka.note.beat == pytest.approx(5, abs=1)


def test_a_holder_goes_on_through_a_rebalance(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.rebalance()
    process.turn(5)
    assert process.lease.may_poll()
    assert process.metric("poller_lease_unconfirmed") == 0
    kafka.member.settle(chosen=True, generation=2)
    process.turn(3)
    assert process.lease.may_poll()


def test_a_holder_whose_kafka_is_away_goes_on_and_says_so(
    kafka: FakeKafka, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.active()
    kafka.up = False
    process.turn(3)
    assert process.metric("poller_lease_unconfirmed") == 1
    assert process.reason is None, "it is ready: it polls"
    for _ in range(720):
        process.turn(5)
        assert process.lease.may_poll()
    assert 50 <= len([each for each in caplog.messages if "does not confirm" in each]) <= 70, "once a minute"
    kafka.up = True

    def goes_on() -> bool:
        # A new client is opened on a thread of its own, in real time. Whether it is there before the old one has had an
        # answer again is chance; where it takes the old one's place, the group settles with it.
        process.turn(1)
        if kafka.member.group_metadata().state is not MemberState.STABLE:
            kafka.member.settle(chosen=True, generation=2)
        return process.metric("poller_lease_unconfirmed") == 0

    assert until(goes_on, PATIENCE)
    assert process.lease.may_poll()
    assert process.calls == ["acquired, may poll: False"]


def test_a_rebalance_without_end_is_unconfirmed(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.rebalance()
    process.turn(12)
    assert process.lease.may_poll()
    assert process.metric("poller_lease_unconfirmed") == 1


def test_a_holder_stops_at_once_when_another_was_chosen(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.settle(chosen=False, generation=2)
    process.lease.turn()
    assert not process.lease.may_poll()
    assert process.metric("poller_active") == 0
    assert until(lambda: process.calls[-1] == "lost, may poll: False", PATIENCE)


def test_put_out_of_the_group_a_holder_stops_if_another_has_taken_the_lease(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.forget()
    kafka.write(OTHER)
    process.turn(2.5)
    process.lease.turn()
    assert not process.lease.may_poll()
    assert kafka.note == OTHER, "it does not write over another's note"
    assert until(lambda: process.calls[-1] == "lost, may poll: False", PATIENCE)


def test_put_out_of_the_group_a_holder_goes_on_as_long_as_nobody_has_taken_the_lease(
    kafka: FakeKafka, process: Process
) -> None:
    process.active()
    kafka.member.forget()
    process.turn(4)
    assert process.lease.may_poll()
    assert process.metric("poller_lease_unconfirmed") == 1
    kafka.member.settle(chosen=True, member_id="new", generation=9)
    process.turn(3)
    assert process.lease.may_poll()
    assert process.metric("poller_lease_unconfirmed") == 0
    assert process.calls == ["acquired, may poll: False"]


def test_in_the_group_again_a_holder_stops_if_another_had_the_lease_meanwhile(
    kafka: FakeKafka, process: Process
) -> None:
    process.active()
    kafka.member.learn()
    kafka.member.settle(chosen=True, member_id="new", generation=9)
    kafka.write(replace(OTHER, released=True))
    process.lease.turn()
    assert not process.lease.may_poll()
    assert until(lambda: process.lease.turn() and process.lease.may_poll(), PATIENCE)
    assert process.calls == ["acquired, may poll: False", "lost, may poll: False", "acquired, may poll: False"]


# --- standing still


def test_after_a_pause_it_confirms_before_the_next_poll(kafka: FakeKafka, process: Process) -> None:
    process.active()
    process.now += 9
    assert not process.lease.may_poll()
    kafka.up = False
    process.turn(3)
    assert not process.lease.may_poll()
    assert process.metric("poller_active") == 0
    assert process.metric("poller_lease_unconfirmed") == 0
    assert "stood still for 9 s" in (process.reason or "")
    kafka.up = True
    process.turn(3)
    assert process.lease.may_poll()
    assert process.reason is None


def test_after_a_pause_it_stops_if_another_has_taken_the_lease(kafka: FakeKafka, process: Process) -> None:
    process.active()
    process.now += 20
    kafka.member.forget()
    kafka.write(OTHER)
    polls = []
    for _ in range(10):
        polls.append(process.lease.may_poll())
        process.turn(0.5)
    assert not any(polls)
    assert "web-2:7" in (process.reason or "")


def test_a_confirmation_that_began_before_the_pause_does_not_count(kafka: FakeKafka, process: Process) -> None:
    process.active()
    commit, member = kafka.member.commit, kafka.member

    def answer_after_a_pause(offsets: dict, timeout_ms: int) -> None:  # type: ignore[type-arg]
        commit(offsets, timeout_ms)
        process.now += 30
        assert not process.lease.may_poll()

    member.commit = answer_after_a_pause  # type: ignore[method-assign]
    process.turn(2.5)
    assert not process.lease.may_poll()
    member.commit = commit  # type: ignore[method-assign]
    process.turn()
    assert process.lease.may_poll()


def test_a_short_pause_needs_no_confirmation(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.up = False
    process.now += 5
    assert process.lease.may_poll()


# --- clients that are of no use


def test_a_refusal_throws_the_client_away_and_the_holder_goes_on(kafka: FakeKafka, process: Process) -> None:
    process.active()
    refused = kafka.member
    kafka.error = kafka_errors.GroupAuthorizationFailedError("crypto-data.lease")
    process.turn(1)
    assert process.lease.may_poll()
    kafka.error = None
    assert until(lambda: bool(process.turn(0.5) or kafka.member is not refused), PATIENCE)
    assert until(lambda: refused.closed, PATIENCE)
    kafka.member.settle(chosen=True, member_id="new", generation=3)
    process.turn(3)
    assert process.lease.may_poll()
    assert process.metric("poller_lease_unconfirmed") == 0
    assert process.calls == ["acquired, may poll: False"]


def test_a_refusal_of_one_that_waits_is_said(kafka: FakeKafka, process: Process) -> None:
    process.joined()
    kafka.error = kafka_errors.GroupAuthorizationFailedError("crypto-data.lease")
    process.turn(0.5)
    assert "refuses: " in (process.reason or "")
    assert "rights" in (process.reason or "")


def test_a_client_that_hangs_is_replaced(kafka: FakeKafka, process: Process) -> None:
    process.active()
    hung = kafka.member
    hung.rebalance()
    process.turn(62)
    assert until(lambda: bool(process.turn(0.5) or kafka.member is not hung), PATIENCE)
    assert until(lambda: hung.closed, PATIENCE)
    assert process.lease.may_poll()


# --- the end


def test_at_a_stop_it_says_that_a_successor_need_not_wait(kafka: FakeKafka, process: Process) -> None:
    process.active()
    stop = threading.Event()
    thread = threading.Thread(target=process.lease.run, args=(Loop("lease", stop),))
    thread.start()
    stop.set()
    thread.join(180)
    assert not thread.is_alive()
    assert kafka.note is not None
    assert kafka.note.released
    assert all(each.closed for each in kafka.clients)
    assert process.calls[-1] == "lost, may poll: False"
    assert process.metric("poller_active") == 0


def test_at_a_stop_within_a_rebalance_it_says_so_when_that_is_over(
    kafka: FakeKafka, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.active()
    kafka.member.rebalance()
    kafka.polled = lambda: kafka.member.settle(chosen=False, generation=2)
    with caplog.at_level(logging.INFO):
        process.lease.leave()
    assert kafka.note is not None
    assert kafka.note.released
    assert "left the pollers' group; another one may begin" in caplog.messages


def test_at_a_stop_within_a_rebalance_that_does_not_end_it_says_that_a_successor_waits(
    kafka: FakeKafka, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.active()
    kafka.member.rebalance()

    def polled() -> None:
        process.now += 0.25

    kafka.polled = polled
    with caplog.at_level(logging.INFO):
        process.lease.leave()
    assert kafka.note is not None
    assert not kafka.note.released
    assert "left the pollers' group; another one may wait until the lease is over" in caplog.messages
    assert all(each.closed for each in kafka.clients)


def test_one_that_was_put_out_writes_over_no_successors_note_at_its_stop(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.forget()
    kafka.write(OTHER)
    kafka.polled = lambda: kafka.member.settle(chosen=False, member_id="again", generation=9)
    process.lease.leave()
    assert kafka.note == OTHER


def test_one_that_stops_keeps_its_claim_until_it_has_left(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.member.rebalance()
    claims: list[bytes] = []
    assignor = kafka.member.assignor
    assert assignor is not None

    def polled() -> None:
        claims.append(assignor.metadata(["topic"]).user_data)
        process.now += 0.25

    kafka.polled = polled
    process.lease.leave()
    assert [json.loads(claim)["term"] for claim in claims] == [1] * 8


def test_one_whose_note_finds_no_kafka_gives_up_its_place_all_the_same(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.up = False
    process.lease.leave()
    assert all(each.closed for each in kafka.clients)


def test_at_a_stop_without_kafka_it_does_not_wait(kafka: FakeKafka, process: Process) -> None:
    process.active()
    kafka.up = False
    process.turn(3)
    process.lease.leave()
    assert not process.lease.may_poll()
    assert all(each.closed for each in kafka.clients)


def test_one_that_never_found_kafka_stops_too(kafka: FakeKafka, process: Process) -> None:
    kafka.up = False
    process.lease.turn()
    process.lease.leave()
    assert process.reason == "this poller stops; the next one may begin"
