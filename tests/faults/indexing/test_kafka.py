"""Kafka is killed, frozen, given more partitions, or lacks a topic, while an indexer reads."""

from __future__ import annotations

import signal
import time

import pytest

from cryptoproxy.engines.kafka import Kafka
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.indexing.process import QUICK_SESSION
from tests.faults.indexing.rig import IndexerRig


def test_the_broker_is_killed_and_started_again(rig: IndexerRig, kafka: Kafka, report: Report) -> None:
    """The whole road: poller and indexer both lose it."""
    poller, indexer = rig.start(), rig.start_indexer()
    poller.wait_polls(3)
    indexer.wait_indexing()
    kafka.kill()
    indexer.wait_reason("Kafka")
    assert indexer.lives()
    kafka.start()
    kafka.wait_ready()
    since = time.monotonic()
    seconds = rig.recovered(since)
    assert indexer.running
    report(rig.judged(), seconds)


@pytest.mark.parametrize("seconds", [15, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.timeout(400)
def test_the_broker_is_frozen_for_so_many_seconds(rig: IndexerRig, kafka: Kafka, report: Report, seconds: int) -> None:
    """Half-open: its connections stay, and nothing comes."""
    indexer = rig.start_indexer()
    with rig.feeder.flow(200):
        indexer.wait_indexing()
        kafka.suspend()
        ends = time.monotonic() + seconds
        indexer.wait_reason("Kafka")
        assert indexer.lives()
        wait_until(lambda: time.monotonic() > ends, what=f"{seconds} s")
        kafka.resume()
        since = time.monotonic()
    took = rig.recovered(since)
    report(rig.judged(), took)


def test_stopped_while_the_broker_is_frozen_it_ends_by_itself(rig: IndexerRig, kafka: Kafka, report: Report) -> None:
    indexer = rig.start_indexer()
    rig.feeder.feed(100)
    rig.wait_committed()
    kafka.suspend()
    indexer.terminate()
    kafka.resume()
    since = time.monotonic()
    rig.start_indexer("again")
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


def test_partitions_grow_from_3_to_6(rig: IndexerRig, report: Report) -> None:
    indexer = rig.start_indexer()
    rig.feeder.feed(100)
    indexer.wait_indexing()
    rig.admin.create_partitions({rig.topic: 6})
    since = time.monotonic()
    rig.feeder.forget_producer()
    for partition in range(6):
        rig.feeder.feed(20, partition=partition)
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


@pytest.mark.long
def test_a_commit_fails_because_the_group_went_on_without_it(rig: IndexerRig, report: Report) -> None:
    """Frozen past its session while batches are under way, its partitions are another's when it goes on."""
    first = rig.start_indexer("first", test=QUICK_SESSION)
    with rig.feeder.flow():
        first.wait_indexing()
        second = rig.start_indexer("second", test=QUICK_SESSION)
        second.wait_indexing()
        first.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        wait_until(lambda: time.monotonic() > frozen + 8 and rig.lag() < 1000, what="all is the second's")
        first.signal(signal.SIGCONT)
        since = time.monotonic()
        first.wait_metric("documents_indexed", first.metric("documents_indexed") + 100)
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


def missing(rig: IndexerRig, topic: str) -> None:
    rig.admin.delete_topics([topic])
    wait_until(lambda: topic not in {each["name"] for each in rig.admin.describe_topics()}, what=f"no {topic}")


def test_the_dead_letter_topic_is_missing_at_the_start(rig: IndexerRig, report: Report) -> None:
    missing(rig, rig.settings.kafka.dead_letter_topic)
    rig.feeder.feed(10, partition=0)
    rig.feeder.feed_poison([b"bad"])
    indexer = rig.start_indexer()
    indexer.wait_reason(f"{rig.topic}.dlq is missing", "cryptoproxy setup")
    assert rig.lag() == 11
    rig.make_topics()
    seconds = rig.recovered(time.monotonic())
    report(rig.judged(), seconds)


def test_the_dead_letter_topic_goes_while_running(rig: IndexerRig, report: Report) -> None:
    indexer = rig.start_indexer()
    rig.feeder.feed(10, partition=0)
    rig.wait_committed()
    missing(rig, rig.settings.kafka.dead_letter_topic)
    rig.feeder.feed_poison([b"bad"])
    rig.feeder.feed(10, partition=0)
    indexer.wait_reason("takes no dead letters")
    assert rig.lag() == 11
    rig.make_topics()
    seconds = rig.recovered(time.monotonic())
    report(rig.judged(), seconds)
