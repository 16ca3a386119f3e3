"""Watch is killed, joined and left, its brokers and its channel are away: each alert is once on its topic, and told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptoproxy.engines.kafka import Kafka
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.watching.rig import WatchRig


@pytest.fixture
def rig(kafka: Kafka, tmp_path: Path) -> Iterator[WatchRig]:
    with WatchRig(kafka.endpoint, tmp_path) as made:
        yield made


def killed_at_random(rig: WatchRig, times: int, chance: random.Random) -> float:
    """Two processes; one after the other is killed while records come; the seconds from the last start to all of it."""
    running = [rig.start(), rig.start()]
    rig.wait_judging()
    for _ in range(times):
        rig.feed(chance.randrange(1, 4))
        time.sleep(chance.uniform(0, 1.5))  # where in its work it dies is the point
        victim = running.pop(chance.randrange(2))
        victim.kill()
        rig.feed(1)
        running.append(rig.start())
    began = time.monotonic()
    rig.wait_judging()
    rig.feed(2)
    return time.monotonic() - began


@pytest.mark.long
def test_kills_at_random_of_two_processes(rig: WatchRig, report: Report) -> None:
    seconds = killed_at_random(rig, 3, random.Random(0))
    report(rig.judge().require(repeats=3), seconds)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_kills_at_random_while_discord_refuses_and_loses_answers(rig: WatchRig, report: Report, seed: int) -> None:
    chance = random.Random(seed)
    rig.stand_in.script = [chance.choice([204, 204, (429, {"retry_after": 0.2}), 503, 0]) for _ in range(40)]
    lost = rig.stand_in.script.count(0)
    seconds = killed_at_random(rig, 4, chance)
    report(rig.judge().require(repeats=4 + lost), seconds)


def test_the_broker_is_killed_and_comes_back(rig: WatchRig, kafka: Kafka, report: Report) -> None:
    rig.start()
    rig.wait_judging()
    rig.feed(3)
    kafka.kill()
    kafka.start()
    kafka.wait_ready()
    began = time.monotonic()
    rig.feed(3)
    verdict = rig.judge().require(repeats=1)
    report(verdict, time.monotonic() - began)


def test_a_channel_that_was_away_gets_one_digest(rig: WatchRig, report: Report) -> None:
    rig.stand_in.script = [503] * 3
    rig.start()
    rig.wait_judging()
    rig.feed(6)
    verdict = rig.judge().require(repeats=0)
    assert len([post for post in rig.stand_in.posts if post.status == 204]) <= 4
    report(verdict, None)


def test_a_process_that_stops_hands_over_at_once(rig: WatchRig, report: Report) -> None:
    first = rig.start()
    rig.wait_judging()
    rig.feed(3)
    rig.start()
    first.terminate()
    began = time.monotonic()
    rig.feed(3)
    wait_until(lambda: rig.processes[1].metric("watch_shares") == 3, what="all shares are the other's")
    report(rig.judge().require(repeats=1), time.monotonic() - began)
