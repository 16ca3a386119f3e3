"""The loop, against a consumer whose brokers, group and moods the test plays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import MemberState

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer import indexer as module
from cryptoproxy.consumer.batch import place_of
from cryptoproxy.consumer.indexer import PART, PART_COMMIT, PART_GROUP, Indexer
from cryptoproxy.consumer.lanes import Lane
from cryptoproxy.consumer.member import instance_id
from cryptoproxy.consumer.pipeline import Pipeline
from cryptoproxy.consumer.progress import Progress
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.errors import OperatorError
from tests.conftest import wait_until
from tests.unit.consumer.support import (
    PLACE,
    TOPIC,
    Deliveries,
    Letters,
    Words,
    bad,
    consumed,
    good,
    metrics,
    partition,
)


class Future:
    """kafka-python's, as far as a coroutine awaits it; done when made."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def __await__(self) -> Iterator[None]:
        yield from ()
        if self._error is not None:
            raise self._error


class Consumer:
    """What the loop calls, and what the test plays."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.assigned: set[TopicPartition] = {partition(0)}
        self.coming: list[dict[TopicPartition, list[Any]] | Exception] = []
        self.paused_now: set[TopicPartition] = set()
        self.polls = 0
        self.commits: list[dict[TopicPartition, int]] = []
        self.commit_errors: list[Exception] = []
        self.away: Exception | None = None
        self.topics = {TOPIC: {0, 1, 2}, f"{TOPIC}.dlq": {0}}
        self.state = MemberState.STABLE
        self.listener: Any = None
        self.closed = False
        self.rejoins = 0
        self.rebalances: list[set[TopicPartition] | None] = []
        """To be played at the next polls: the next assignment, or None for a membership that was lost."""
        self._callbacks: list[Callable[[], None]] = []
        self._coordinator = SimpleNamespace(request_rejoin=self._rejoin, _is_leader=False)
        self._cluster = SimpleNamespace(topic_id=lambda topic: "id")
        self.holes: dict[TopicPartition, tuple[int, int]] = {}
        self.at: dict[TopicPartition, int] = {}

    def _rejoin(self) -> None:
        self.rejoins += 1

    # --- for the test

    def give(self, *records: Any) -> None:
        with self.lock:
            by_partition: dict[TopicPartition, list[Any]] = {}
            for record in records:
                by_partition.setdefault(partition(record.partition), []).append(record)
            self.coming.append(by_partition)

    @property
    def known_commits(self) -> dict[TopicPartition, int]:
        with self.lock:
            known: dict[TopicPartition, int] = {}
            for each in self.commits:
                known |= each
            return known

    # --- for the loop

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self.topics.get(topic, set())

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.listener = listener

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def position_now(self, each: TopicPartition) -> int | None:
        return self.at.get(each)

    def take_holes(self) -> dict[TopicPartition, tuple[int, int]]:
        found, self.holes = self.holes, {}
        return found

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        assert not self.closed
        threading.Event().wait(0.002)
        with self.lock:
            self.polls += 1
            for callback in self._callbacks:
                callback()
            self._callbacks.clear()
            self._rebalance()
            at = next((at for at, each in enumerate(self.coming) if not self._holds_back(each)), None)
            if at is None:
                return {}
            next_one = self.coming.pop(at)
            if isinstance(next_one, Exception):
                raise next_one
            return next_one

    def _holds_back(self, coming: dict[TopicPartition, list[Any]] | Exception) -> bool:
        """What is paused waits for its turn, and with it what comes after it from there."""
        return not isinstance(coming, Exception) and self.paused_now >= (coming.keys() & self.assigned)

    def _rebalance(self) -> None:
        while self.rebalances:
            after = self.rebalances.pop(0)
            if after is None:
                asyncio.run(self.listener.on_partitions_lost(self.assigned))
                self.assigned = set()
            else:
                asyncio.run(self.listener.on_partitions_revoked(self.assigned))
                self.paused_now &= after
                self.assigned = after
                asyncio.run(self.listener.on_partitions_assigned(after))

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused_now |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused_now -= set(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self.paused_now)

    def commit_async(self, offsets: Any, callback: Any = None) -> Future:
        with self.lock:
            error = self.commit_errors.pop(0) if self.commit_errors else None
            if error is None:
                self.commits.append({each: metadata.offset for each, metadata in offsets.items()})
            if callback is not None:
                self._callbacks.append(lambda: callback(offsets, error))
            return Future(error)

    def commit(self, offsets: Any, timeout_ms: int) -> None:
        if self.away is not None:
            threading.Event().wait(timeout_ms / 1000 / 20)
            raise self.away
        self.commit_async(offsets)

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        assert not autocommit
        if self.listener is not None and self.assigned:
            asyncio.run(self.listener.on_partitions_revoked(self.assigned))
        self.closed = True

    def group_metadata(self) -> Any:
        return SimpleNamespace(state=self.state)

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        if self.away is not None:
            raise self.away
        return dict.fromkeys(partitions, 0)

    def committed(self, each: TopicPartition, timeout_ms: int, metadata: bool = False) -> Any:
        offset = self.known_commits.get(each)
        return OffsetAndMetadata(offset, "", -1) if metadata and offset is not None else offset

    def beginning_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        return self.end_offsets(partitions, timeout_ms)

    def seek(self, each: TopicPartition, offset: int) -> None: ...

    def highwater(self, each: TopicPartition) -> int | None:
        return None


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str | None = None) -> None:
        self.names: list[str | None] = []
        for constant, seconds in {"COMMIT_SECONDS": 0.01, "LOOK_SECONDS": 0.05, "FINISH_SECONDS": 0.2}.items():
            monkeypatch.setattr(module, constant, seconds)
        monkeypatch.setattr(module, "LEAVE_SECONDS", 0.2)
        monkeypatch.setattr(module, "Backoff", lambda cap: SimpleNamespace(next=lambda: 0.01, reset=lambda: None))
        self.consumers = [Consumer() for _ in range(5)]
        self.connections: list[Consumer | Exception] = list(self.consumers)
        self.deliveries, self.letters, self.words = Deliveries(), Letters(), Words()
        self.health, self.metrics = Health(), metrics()
        clock = SystemClock()
        self.pipeline = Pipeline(
            in_flight=2,
            delivery=self.deliveries,  # type: ignore[arg-type]
            dead_letters=self.letters,  # type: ignore[arg-type]
            acceptances=self.words,  # type: ignore[arg-type]
            health=self.health,
            metrics=self.metrics,
            monotonic=clock.monotonic,
        )
        self.indexer = Indexer(
            kafka=Settings.from_texts({}).kafka,
            dataset=TICKER,
            lanes={TOPIC: Lane(PLACE, self.pipeline)},
            progress=self.pipeline.progress,
            connect=self._connect,
            name=name,
            health=self.health,
            metrics=self.metrics,
            clock=clock,
        )
        self.stop = threading.Event()
        self.loop = Loop("indexer", self.stop)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _connect(self, name: str | None) -> Consumer:
        self.names.append(name)
        connection = self.connections.pop(0)
        if isinstance(connection, Exception):
            raise connection
        return connection

    def _run(self) -> None:
        try:
            self.indexer.run(self.loop)
        except BaseException as error:
            self.error = error

    def start(self) -> Consumer:
        self.thread.start()
        return self.consumers[0]

    def end(self) -> None:
        self.stop.set()
        self.thread.join(180)
        assert not self.thread.is_alive()

    def wait_committed(self, consumer: Consumer, **offsets: int) -> None:
        wanted = {partition(int(name[1:])): offset for name, offset in offsets.items()}
        wait_until(lambda: consumer.known_commits == wanted, what=f"{wanted}, not {consumer.known_commits}")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Its parameter is the indexer's name in its group."""
    made = Bench(monkeypatch, getattr(request, "param", None))
    yield made
    made.stop.set()
    if made.thread.ident is not None:
        made.thread.join(180)


def test_what_is_finished_is_committed(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.give(good(0), good(1))
    bench.wait_committed(consumer, p0=2)
    bench.end()
    assert bench.error is None
    assert consumer.closed


@pytest.mark.parametrize(("bench", "rejoins"), [(None, 0), ("one", 1)], indirect=["bench"])
def test_a_member_with_a_name_joins_once_more_when_it_has_settled(bench: Bench, rejoins: int) -> None:
    consumer = bench.start()
    wait_until(lambda: consumer.polls > 10)
    bench.end()
    assert bench.names == ["one" if rejoins else None]
    assert consumer.rejoins == rejoins + 1  # one is that of leaving


@pytest.mark.parametrize("bench", ["one"], indirect=True)
def test_the_groups_leader_needs_no_second_join(bench: Bench) -> None:
    bench.consumers[0]._coordinator._is_leader = True
    consumer = bench.start()
    wait_until(lambda: consumer.polls > 10)
    assert consumer.rejoins == 0


@pytest.mark.parametrize("bench", ["one"], indirect=True)
def test_a_name_that_another_one_has_taken_is_given_up(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.coming.append(kafka_errors.FencedInstanceIdError("one"))
    wait_until(lambda: consumer.closed)
    bench.consumers[1].give(good(0))
    bench.wait_committed(bench.consumers[1], p0=1)
    assert bench.names == ["one", None]
    assert bench.error is None


def test_an_indexers_name_is_its_hosts_and_its_ports_or_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "höst_1.example")
    assert instance_id(None, 8001) == "h-st_1.example-8001"
    assert instance_id(None, 0) is None
    assert instance_id("mine", 0) == instance_id("mine", 8001) == "mine"
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 300)
    assert len(instance_id(None, 8001) or "") == 200


def test_marks_of_transactions_behind_the_last_record_are_committed_as_well(bench: Bench) -> None:
    """Or the group would lag behind them for ever; not before that record is finished."""
    consumer = bench.start()
    consumer.give(good(0), good(1))
    consumer.at = {partition(0): 5}
    wait_until(lambda: bench.deliveries.begun)
    polls = consumer.polls
    wait_until(lambda: consumer.polls > polls + 20)
    assert consumer.known_commits == {}
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p0=5)


def test_records_that_are_missing_make_it_not_ready_until_none_has_been_for_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = bench.start()
    consumer.holes = {partition(0): (74, 99)}
    wait_until(lambda: "74 records" in bench.health.reasons().get(module.PART_MISSING, ""))
    assert bench.metrics.gap._value.get() == 74
    monkeypatch.setattr(module, "MISSING_SECONDS", 0.0)
    wait_until(lambda: module.PART_MISSING not in bench.health.reasons())


def test_while_it_is_held_up_partitions_are_paused_and_poll_goes_on(bench: Bench) -> None:
    consumer = bench.start()
    consumer.give(good(0))
    consumer.give(good(1))
    consumer.give(good(2))
    wait_until(lambda: consumer.paused_now == {partition(0)})
    polls = consumer.polls
    wait_until(lambda: consumer.polls > polls + 5)
    assert len(bench.deliveries.begun) == 2
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p0=3)
    assert consumer.paused_now == set()


def test_records_that_a_rebalance_brings_while_all_is_paused_are_not_lost(bench: Bench) -> None:
    """A poll that assigns a partition returns records of it at once, since nobody has paused it yet."""
    consumer = bench.start()
    for offset in range(3):  # two under way, one read ahead
        consumer.give(good(offset))
    wait_until(lambda: consumer.paused_now == {partition(0)})
    with consumer.lock:
        consumer.give(good(40, number=1))
        consumer.rebalances.append({partition(0), partition(1)})
    wait_until(lambda: partition(1) in consumer.paused_now)
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p0=3, p1=41)


def test_a_commit_that_fails_is_made_again(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.consumers[0].commit_errors = [kafka_errors.NotCoordinatorError(), kafka_errors.RequestTimedOutError()]
    consumer = bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    assert bench.metrics.commits.labels("failed")._value.get() == 2
    wait_until(lambda: PART_COMMIT not in bench.health.reasons())


def test_commits_that_the_brokers_refuse_make_it_not_ready(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.consumers[0].commit_errors = [kafka_errors.GroupAuthorizationFailedError("group")] * 200
    consumer = bench.start()
    consumer.give(good(0))
    wait_until(lambda: "rights" in bench.health.reasons().get(PART_COMMIT, ""))
    consumer.commit_errors.clear()
    bench.wait_committed(consumer, p0=1)
    wait_until(lambda: not bench.health.reasons())


def test_a_commit_that_a_rebalance_refused_is_no_trouble(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.consumers[0].commit_errors = [kafka_errors.CommitFailedError(), kafka_errors.RebalanceInProgressError()]
    held: list[str] = []
    bench.health.hold = lambda part, reason: held.append(part)  # type: ignore[method-assign]
    consumer = bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    assert held == []


def test_a_commit_that_is_never_answered_is_made_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNHEARD_SECONDS", 0.1)
    bench.deliveries.open.set()
    consumer = bench.consumers[0]
    commit_async, swallowed = consumer.commit_async, []

    def swallow(offsets: Any, callback: Any = None) -> Future:
        if not swallowed:
            swallowed.append(offsets)
            return Future()
        return commit_async(offsets, callback)

    consumer.commit_async = swallow  # type: ignore[method-assign]
    bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    assert len(swallowed) == 1


def test_a_commit_that_cannot_even_be_sent_is_made_again(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.consumers[0]
    commit_async, raised = consumer.commit_async, []

    def fail(offsets: Any, callback: Any = None) -> Future:
        if not raised:
            raised.append(offsets)
            raise kafka_errors.KafkaConnectionError("closed")
        return commit_async(offsets, callback)

    consumer.commit_async = fail  # type: ignore[method-assign]
    bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    wait_until(lambda: not bench.health.reasons())


# --- rebalances


def test_what_is_under_way_is_finished_and_committed_before_a_partition_goes(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.start()
    with consumer.lock:
        consumer.give(good(0), good(1, number=1))
        consumer.rebalances.append(set())
    wait_until(lambda: consumer.assigned == set())
    consumer.rebalances.append({partition(0), partition(1)})
    with consumer.lock:
        consumer.give(good(5), good(6, number=1))
        consumer.rebalances.append({partition(1)})
    bench.wait_committed(consumer, p0=6, p1=7)


def test_what_is_unfinished_of_a_partition_that_stays_is_finished_after_the_rebalance(bench: Bench) -> None:
    """The client does not give those records out again: it keeps its position in what it keeps."""
    consumer = bench.start()
    consumer.give(good(0))
    wait_until(lambda: bench.deliveries.begun)
    consumer.rebalances.append({partition(0), partition(1)})
    wait_until(lambda: len(consumer.assigned) == 2)
    consumer.give(good(1))
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p0=2)
    assert [each.offset for batch in bench.deliveries.begun for each in batch.order] == [0, 1]


def test_what_is_unfinished_of_a_partition_that_goes_is_not_committed(bench: Bench) -> None:
    consumer = bench.start()
    consumer.give(good(0), good(7, number=1))
    wait_until(lambda: bench.deliveries.begun)
    consumer.rebalances.append({partition(1)})
    wait_until(lambda: consumer.assigned == {partition(1)})
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p1=8)


def test_after_a_lost_membership_nothing_of_before_is_committed(bench: Bench) -> None:
    consumer = bench.start()
    consumer.give(good(0))
    wait_until(lambda: bench.deliveries.begun)
    consumer.rebalances += [None, {partition(0)}]
    wait_until(lambda: not consumer.rebalances)
    consumer.give(good(0), good(1))
    wait_until(lambda: len(bench.deliveries.begun) == 2)
    assert consumer.commits == []
    bench.deliveries.open.set()
    bench.wait_committed(consumer, p0=2)


def test_every_rejoin_is_seen_through(bench: Bench) -> None:
    """kafka-python forgets one that metadata began, if a short poll ends in its middle."""
    consumer = bench.start()
    consumer.rebalances += [set(), {partition(0)}, None]
    wait_until(lambda: consumer.rejoins == 3)


def test_a_group_that_does_not_come_to_an_end_makes_it_not_ready(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMBER_SECONDS", 0.05)
    bench.consumers[0].state = MemberState.REBALANCING
    consumer = bench.start()
    wait_until(lambda: PART_GROUP in bench.health.reasons())
    consumer.state = MemberState.STABLE
    wait_until(lambda: PART_GROUP not in bench.health.reasons())
    monkeypatch.setattr(module, "ANEW_SECONDS", 0.1)
    consumer.state = MemberState.UNJOINED
    wait_until(lambda: consumer.closed)
    wait_until(lambda: bench.consumers[1].polls > 0)
    wait_until(lambda: not bench.health.reasons())


# --- Kafka in trouble


def test_brokers_that_answer_nothing_make_it_not_ready_though_poll_says_nothing(bench: Bench) -> None:
    consumer = bench.start()
    wait_until(lambda: consumer.polls > 5)
    assert bench.health.reasons() == {}
    consumer.away = kafka_errors.KafkaTimeoutError("no answer")
    wait_until(lambda: "no answer" in bench.health.reasons().get(PART, ""))
    polls = consumer.polls
    wait_until(lambda: consumer.polls > polls + 5)
    assert PART in bench.health.reasons(), "a poll that returns nothing proves nothing"
    consumer.away = None
    wait_until(lambda: not bench.health.reasons())
    assert not consumer.closed, "no reason to leave the group"


def test_without_brokers_at_the_start_it_waits(bench: Bench) -> None:
    bench.connections[:0] = [kafka_errors.KafkaTimeoutError("Unable to bootstrap")] * 3
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    wait_until(lambda: not bench.health.reasons())


def test_a_missing_topic_is_said_and_waited_for(bench: Bench) -> None:
    first, second = bench.consumers[:2]
    del first.topics[f"{TOPIC}.dlq"]
    held: list[str] = []
    hold = bench.health.hold
    bench.health.hold = lambda part, reason: (held.append(reason), hold(part, reason))  # type: ignore[method-assign,func-returns-value,assignment]
    bench.deliveries.open.set()
    bench.start()
    second.give(good(0))
    bench.wait_committed(second, p0=1)
    assert first.closed
    assert first.polls == 0
    assert any("crypto-data.dlq is missing" in reason and "cryptoproxy setup" in reason for reason in held)
    wait_until(lambda: not bench.health.reasons())


def test_trouble_while_it_opens_leaves_no_half_open_consumer(bench: Bench) -> None:
    first, second = bench.consumers[:2]

    def fail(topic: str) -> set[int]:
        raise kafka_errors.KafkaTimeoutError("metadata")

    first.partitions_for_topic = fail  # type: ignore[method-assign]
    bench.deliveries.open.set()
    bench.start()
    second.give(good(0))
    bench.wait_committed(second, p0=1)
    assert first.closed


def test_a_refusal_that_needs_a_person_makes_it_join_anew_with_fresh_secrets(bench: Bench) -> None:
    bench.deliveries.open.set()
    first, second = bench.consumers[:2]
    first.coming.append(kafka_errors.TopicAuthorizationFailedError({TOPIC}))
    bench.start()
    wait_until(lambda: first.closed)
    second.give(good(0))
    bench.wait_committed(second, p0=1)
    wait_until(lambda: not bench.health.reasons())


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.NoOffsetForPartitionError({partition(0)}),
        kafka_errors.OffsetOutOfRangeError({partition(0): 5}),
        kafka_errors.LogTruncationError({partition(0): None}),
    ],
)
def test_a_position_that_cannot_be_found_now_is_looked_for_again(bench: Bench, error: Exception) -> None:
    """The brokers may be away in the very moment in which the earliest offset is asked for."""
    bench.deliveries.open.set()
    consumer = bench.consumers[0]
    answers: list[Exception | None] = [kafka_errors.KafkaTimeoutError(), None]

    def beginning_offsets(partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        if answers and (answer := answers.pop(0)) is not None:
            raise answer
        return dict.fromkeys(partitions, 0)

    consumer.beginning_offsets = beginning_offsets  # type: ignore[method-assign]
    consumer.coming += [error, error]
    bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)
    assert bench.error is None
    assert answers == []


def test_what_was_read_of_a_topic_that_is_made_again_is_finished_and_its_offsets_are_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records stand nowhere else any more; a commit of its offsets would skip as many records of the new one."""
    monkeypatch.setattr(module, "FINISH_SECONDS", 5.0)
    monkeypatch.setattr(module, "COMMIT_SECONDS", 60.0)
    consumer = bench.start()
    consumer.give(good(40), good(41))
    wait_until(lambda: bench.deliveries.begun)
    consumer._cluster = SimpleNamespace(topic_id=lambda topic: "another")
    bench.deliveries.open.set()
    wait_until(lambda: bench.pipeline.busy is False)
    consumer.give(good(0))
    wait_until(lambda: len(bench.deliveries.begun) == 2)
    bench.end()
    assert consumer.known_commits == {partition(0): 1}
    assert bench.metrics.indexed._value.get() == 3


@pytest.mark.parametrize(
    ("gone", "commit"), [({"earliest": 9, "position": 7}, 7), ({"earliest": 0, "position": 7}, None)]
)
def test_what_was_read_before_an_offset_went_out_of_range_is_committed_unless_the_log_is_another(
    bench: Bench, gone: dict[str, int], commit: int | None
) -> None:
    consumer = bench.consumers[0]
    consumer.beginning_offsets = lambda partitions, timeout_ms: dict.fromkeys(partitions, gone["earliest"])  # type: ignore[method-assign]
    bench.start()
    consumer.give(good(6))
    wait_until(lambda: bench.deliveries.begun)
    consumer.coming.append(kafka_errors.OffsetOutOfRangeError({partition(0): gone["position"]}))
    wait_until(lambda: not consumer.coming)
    bench.deliveries.open.set()
    if commit is not None:
        bench.wait_committed(consumer, p0=commit)
    consumer.give(good(20))
    bench.wait_committed(consumer, p0=21)


# --- the end


def test_at_the_end_what_is_under_way_is_finished_and_committed(bench: Bench) -> None:
    consumer = bench.start()
    consumer.give(good(0))
    wait_until(lambda: bench.deliveries.begun)
    threading.Timer(0.05, bench.deliveries.open.set).start()
    bench.end()
    assert consumer.known_commits == {partition(0): 1}
    assert consumer.closed


def test_at_the_end_what_hangs_is_left_and_comes_again(bench: Bench) -> None:
    consumer = bench.start()
    consumer.give(good(0))
    wait_until(lambda: bench.deliveries.begun)
    bench.end()
    assert consumer.commits == []
    assert consumer.closed


def test_at_the_end_brokers_that_are_away_do_not_hold_it_up(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.commit_errors = [kafka_errors.NotCoordinatorError()] * 1000
    consumer.away = kafka_errors.KafkaTimeoutError()
    consumer.give(good(0))
    wait_until(lambda: bench.deliveries.begun)
    bench.end()
    assert bench.error is None
    assert consumer.closed
    assert bench.letters.closed


def test_an_unforeseen_error_ends_the_loop(bench: Bench) -> None:
    def break_down(batch: Any, abandon: threading.Event) -> Any:
        raise ZeroDivisionError

    bench.deliveries.deliver = break_down  # type: ignore[method-assign]
    consumer = bench.start()
    consumer.give(good(0))
    bench.thread.join(180)
    assert isinstance(bench.error, ZeroDivisionError)


# --- the watchdog


def test_a_loop_paused_for_a_named_reason_turns(bench: Bench) -> None:
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.give(*(bad(offset) for offset in range(150)))
    wait_until(lambda: "fuse" in bench.health.reasons())
    before = consumer.polls
    wait_until(lambda: consumer.polls > before + 20)
    wait_until(lambda: bench.loop.seconds_since_turn < 1, what="a turn just now")


def test_a_loop_that_hangs_in_a_call_does_not_turn(bench: Bench) -> None:
    hang = threading.Event()
    consumer = bench.consumers[0]
    consumer.group_metadata = lambda: (hang.wait(180), SimpleNamespace(state=MemberState.STABLE))[1]  # type: ignore[method-assign]
    bench.start()
    wait_until(lambda: bench.loop.seconds_since_turn > 0.7)
    hang.set()
    wait_until(lambda: bench.loop.seconds_since_turn < 0.5)


def test_operator_errors_are_waited_out(bench: Bench) -> None:
    bench.connections[:0] = [OperatorError("the secret's file is gone", remedy="Mend KAFKA_SASL_PASSWORD_FILE")]
    bench.deliveries.open.set()
    consumer = bench.start()
    consumer.give(good(0))
    bench.wait_committed(consumer, p0=1)


# --- a dataset of several topics


class Two:
    """An indexer of candles whose bars of a day and of a minute come on a topic each."""

    def __init__(self) -> None:
        settings = Settings.from_texts({})
        self.consumer = Consumer()
        self.day, self.minute = (TopicPartition(f"crypto.ohlcv.{each}", 0) for each in ("1d", "1m"))
        self.consumer.assigned = {self.day, self.minute}
        self.consumer.topics |= {each: {0} for each in settings.kafka.topics_of(CANDLE)}
        self.letters = Letters()
        self.deliveries = {each.topic: Deliveries() for each in (self.day, self.minute)}
        self.health, measures, clock = Health(), metrics(), SystemClock()
        lanes = {
            topic: Lane(
                place_of(settings.elasticsearch, CANDLE, part.name),
                Pipeline(
                    in_flight=1,
                    spelled=f"candle-{part.name}:",
                    delivery=self.deliveries.get(topic, Deliveries()),  # type: ignore[arg-type]
                    dead_letters=self.letters,  # type: ignore[arg-type]
                    acceptances=Words(),  # type: ignore[arg-type]
                    health=self.health.of(f"candle-{part.name}"),
                    metrics=measures,
                    monotonic=clock.monotonic,
                ),
            )
            for topic, part in settings.kafka.topics_of(CANDLE).items()
        }
        self.set_up = threading.Event()
        self.indexer = Indexer(
            kafka=settings.kafka,
            dataset=CANDLE,
            lanes=lanes,
            progress=Progress(measures),
            connect=lambda name: self.consumer,
            name=None,
            health=self.health.of("candle"),
            metrics=measures,
            clock=clock,
            set_up=self.set_up.is_set,
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.indexer.run, args=(Loop("indexer", self.stop),), daemon=True)

    def give(self, where: TopicPartition, offset: int, value: bytes = b"") -> None:
        interval = where.topic.rpartition(".")[2]
        line = value or CANDLE.codec.encode(
            msgspec.structs.replace(CANDLE.example, interval=interval, fetched_at="2026-11-25T00:00:00.000Z")
        )
        record = consumed(offset, line)._replace(topic=where.topic, partition=where.partition)
        with self.consumer.lock:
            self.consumer.coming.append({where: [record]})

    def committed(self, where: TopicPartition) -> int:
        return self.consumer.known_commits.get(where, 0)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    for constant, seconds in {"COMMIT_SECONDS": 0.01, "LOOK_SECONDS": 0.05, "FINISH_SECONDS": 0.2}.items():
        monkeypatch.setattr(module, constant, seconds)
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.2)
    made = Two()
    made.thread.start()
    yield made
    made.stop.set()
    made.thread.join(180)


def test_history_that_is_slow_never_pauses_what_is_live_in_another_part(two: Two) -> None:
    two.set_up.set()
    for offset in range(2):  # one under way, one read ahead: then this part is full
        two.give(two.day, offset)
    wait_until(lambda: two.consumer.paused_now == {two.day}, what="the part that is slow is paused, and it alone")
    two.deliveries[two.minute.topic].open.set()
    for offset in range(5):
        two.give(two.minute, offset)
    wait_until(lambda: two.committed(two.minute) == 5, what="what is live goes on")
    assert two.committed(two.day) == 0
    two.deliveries[two.day.topic].open.set()
    wait_until(lambda: two.committed(two.day) == 2, what="and the slow part in its own time")
    wait_until(lambda: not two.consumer.paused_now, what="nothing is paused")


def test_a_flood_of_poison_in_one_part_blows_that_part_s_fuse_alone(two: Two) -> None:
    two.set_up.set()
    two.letters.acknowledge.set()
    for each in two.deliveries.values():
        each.open.set()
    for offset in range(100):
        two.give(two.day, offset, b"bug")
    wait_until(lambda: "candle-1d fuse" in two.health.reasons(), what="the fuse has blown")
    assert "cryptoproxy consume --accept-poison candle-1d:0:" in two.health.reasons()["candle-1d fuse"]
    two.give(two.minute, 0)
    wait_until(lambda: two.committed(two.minute) == 1, what="the other part goes on")
    assert two.health.reasons().keys() == {"candle-1d fuse"}


def test_a_dataset_that_is_not_set_up_stands_by_without_a_word(two: Two) -> None:
    two.give(two.minute, 0)
    assert two.consumer.listener is None
    assert two.health.reasons() == {}
    two.deliveries[two.minute.topic].open.set()
    two.set_up.set()
    wait_until(lambda: two.committed(two.minute) == 1, what="once it is set up it is read")
