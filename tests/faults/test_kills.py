"""SIGKILL at each step between fetch and delivery, and at random: what was kept is delivered by the next start."""

from __future__ import annotations

import time

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import Report, Say, seeded
from tests.faults.launch import POINTS
from tests.faults.rig import Rig

ALONE = {"TEST_ALONE": "1"}


def test_kills_at_each_step_one_after_the_other_lose_nothing_that_was_kept(rig: Rig, report: Report) -> None:
    """Each start delivers what the one before it has left, and is killed at the next step itself."""
    rig.texts |= {"KAFKA_PRODUCER_BATCH_INTERVAL": "0.5", "AWS_S3_OBJECT_SECONDS": "1"}
    for point in POINTS:
        poller = rig.start(point, test=ALONE | {"TEST_DIE": f"{point}:3"})
        assert poller.wait_end() == -9, point
        rig.died(poller)
        poller.close()
    began = time.monotonic()
    rig.start("last", test=ALONE).wait_polls(1)
    report(rig.judge().require(), time.monotonic() - began)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_this_step_loses_nothing_that_was_kept(rig: Rig, report: Report, point: str) -> None:
    rig.texts |= {"KAFKA_PRODUCER_BATCH_INTERVAL": "0.5", "AWS_S3_OBJECT_SECONDS": "1"}
    poller = rig.start(test=ALONE | {"TEST_DIE": f"{point}:3"})
    assert poller.wait_end() == -9
    rig.died(poller)
    began = time.monotonic()
    rig.start("again", test=ALONE).wait_polls(1)
    report(rig.judge().require(), time.monotonic() - began)


def kill_at_random(rig: Rig, times: int, say: Say) -> float:
    """Kills and restarts, each at a moment of its own; the seconds from the last start to the next fresh poll."""
    moments = seeded(say, f"{times} kills at random")
    for number in range(times):
        poller = rig.start(f"poller-{number}", test=ALONE)
        poller.wait_said("poller started")
        wait_until(lambda poller=poller: poller.polls() >= 1, what="a poll")
        time.sleep(moments.uniform(0, 1.2))  # where in a poll it dies is the point
        rig.kill(poller)
        poller.close()
    began = time.monotonic()
    rig.start("last", test=ALONE).wait_polls(1)
    return time.monotonic() - began


def test_eight_kills_at_random(rig: Rig, report: Report, say: Say) -> None:
    rig.texts |= {"KAFKA_PRODUCER_BATCH_INTERVAL": "0.2", "AWS_S3_OBJECT_SECONDS": "1"}
    seconds = kill_at_random(rig, 8, say)
    report(rig.judge().require(), seconds)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("interval", ["0.1", "1"], ids=lambda seconds: f"each_{seconds}_s")
def test_fifty_kills_at_random(rig: Rig, report: Report, say: Say, interval: str) -> None:
    rig.texts |= {"KAFKA_PRODUCER_BATCH_INTERVAL": interval, "AWS_S3_OBJECT_SECONDS": "2"}
    seconds = kill_at_random(rig, 50, say)
    report(rig.judge().require(), seconds)
