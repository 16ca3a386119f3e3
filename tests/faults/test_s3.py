"""S3 is absent, refuses, is slow, loses its answers: the topic goes on, and each object is there once afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cryptoproxy.sandbox import Rule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Engines, Rig

Running = tuple[Rig, PollerProcess]


@pytest.fixture(scope="module")
def running(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Rig(engines, tmp_path_factory.mktemp("s3")) as rig:
        rig.set_up()
        rig.s3.pause()
        yield rig, rig.start()


def wait_stored(poller: PollerProcess, *, seconds: float = 180) -> float:
    """Until the lake has all; the seconds that it took."""
    began = time.monotonic()
    wait_until(lambda: not evidence.waiting(poller.outbox)["s3"], seconds=seconds, what="nothing waits for S3")
    return time.monotonic() - began


def topic_goes_on(poller: PollerProcess, polls: int) -> None:
    """So many polls are published, none of them late, while S3 is away."""
    before = poller.metric("records_published")
    poller.wait_polls(polls)
    wait_until(lambda: poller.metric("records_published") >= before + 10 * (polls - 1), what="published polls")
    assert len(evidence.waiting(poller.outbox)["kafka"]) <= 1


def test_without_s3_at_the_start_the_topic_has_all_and_the_lake_follows(running: Running, report: Report) -> None:
    rig, poller = running
    rig.s3.pause()
    poller.wait_reason("S3 bucket", "does not answer", "the topic goes on")
    topic_goes_on(poller, 3)
    rig.s3.resume()
    seconds = wait_stored(poller)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


@dataclass(frozen=True)
class Fault:
    name: str
    rule: Rule
    words: tuple[str, ...]


def put(**effects: Any) -> Rule:
    return Rule(method="PUT", **effects)


def code(name: str) -> str:
    return f"<Error><Code>{name}</Code></Error>"


FAULTS = (
    Fault("503", put(status=503), ("answers 503",)),
    Fault("403", put(status=403, body=code("AccessDenied")), ("AWS_S3_ACCESS_KEY",)),
    Fault("no_bucket", put(status=404, body=code("NoSuchBucket")), ("AWS_S3_BUCKET",)),
    Fault("connection_reset", put(refuse=True, reset=True), ("does not answer",)),
    Fault("answer_lost", put(lose_answer=True), ("does not answer",)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_s3_that_fails_holds_nothing_up_and_has_each_object_once_afterwards(
    running: Running, fault: Fault, report: Report
) -> None:
    rig, poller = running
    poller.wait_polls(1)
    rig.s3.script.add(fault.rule)
    poller.wait_reason(*fault.words, "the topic goes on")
    topic_goes_on(poller, 2)
    rig.s3.script.clear()
    seconds = wait_stored(poller)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def test_a_slow_s3_delays_only_the_lake(running: Running, report: Report) -> None:
    rig, poller = running
    poller.wait_polls(1)
    rig.s3.script.add(Rule(method="PUT", delay=2.0))
    topic_goes_on(poller, 4)
    assert len(evidence.waiting(poller.outbox)["s3"]) >= 2
    rig.s3.script.clear()
    seconds = wait_stored(poller)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def test_polls_of_some_seconds_share_an_object_and_what_waited_longer_goes_first(rig: Rig, report: Report) -> None:
    rig.texts |= {"AWS_S3_OBJECT_SECONDS": "2", "KAFKA_PRODUCER_BATCH_INTERVAL": "0.5"}
    rig.s3.pause()
    poller = rig.start()
    poller.wait_polls(9)
    rig.s3.resume()
    wait_until(lambda: poller.metric("objects_archived") >= 2, what="two objects")
    keys = sorted(evidence.in_lake(rig.settings))
    verdict = rig.judge().require()
    assert sorted(evidence.in_lake(rig.settings))[: len(keys)] == keys, "not the oldest first"
    assert len(evidence.in_lake(rig.settings)) <= verdict.polls // 4 + 2
    report(verdict, 0.0)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_s3_is_gone_for_three_minutes(rig: Rig, report: Report) -> None:
    poller = rig.start()
    poller.wait_polls(2)
    rig.s3.pause()
    time.sleep(180)  # the fault is a duration
    assert poller.missed()["coingecko"] == 0
    assert len(evidence.waiting(poller.outbox)["kafka"]) <= 1
    assert len(evidence.waiting(poller.outbox)["s3"]) >= 175
    rig.s3.resume()
    seconds = wait_stored(poller)
    report(rig.judge().require(), seconds)
