"""Watch is killed, joined and left, its brokers, its channel, its clock and its rules fail: each alert is once on its topic, and told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cryptoproxy.engines.kafka import Kafka
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.watching.must import MINUTE_MS
from tests.faults.watching.rig import WatchRig

MINUTE, HOUR = 60.0, 3600.0


@pytest.fixture
def rig(kafka: Kafka, tmp_path: Path) -> Iterator[WatchRig]:
    with WatchRig(kafka.endpoint, tmp_path) as made:
        yield made


def killed_at_random(rig: WatchRig, times: int, chance: random.Random, within: Sequence[int] = (0,)) -> float:
    """Two processes; one after the other is killed while records come; the seconds from the last start to all of it."""
    running = [rig.start(), rig.start()]
    rig.wait_judging()
    for _ in range(times):
        rig.feed(chance.randrange(1, 4), within=within)
        time.sleep(chance.uniform(0, 1.5))  # where in its work it dies is the point
        victim = running.pop(chance.randrange(2))
        victim.kill()
        rig.feed(1, within=within)
        running.append(rig.start())
    return back_in(rig, within)


def back_in(rig: WatchRig, within: Sequence[int] = (0,)) -> float:
    """Seconds until all is judged again, and records go on."""
    began = time.monotonic()
    rig.wait_judging()
    rig.feed(2, within=within)
    return time.monotonic() - began


@pytest.mark.long
def test_kills_at_random_of_two_processes(rig: WatchRig, report: Report) -> None:
    seconds = killed_at_random(rig, 3, random.Random(0))
    report(rig.judge().require(repeats=3), seconds)


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
    rig.feed_past(random.Random(3))
    first.terminate()
    began = time.monotonic()
    rig.feed(3)
    wait_until(lambda: rig.processes[1].metric("watch_shares") == 3, what="all shares are the other's")
    report(rig.judge().require(repeats=1), time.monotonic() - began)


@pytest.mark.long
def test_processes_join_and_leave_again_and_again(rig: WatchRig, report: Report) -> None:
    chance = random.Random(7)
    rig.start()
    rig.wait_judging()
    for _ in range(6):
        rig.start()
        rig.feed(2)
        time.sleep(chance.uniform(0, 3))  # how far the group has come when one leaves is the point
        if len(rig.live) > 2 or chance.random() < 0.5:
            leaves = chance.choice(rig.live)
            leaves.wait_said("health and metrics at")  # before, a signal would find nobody who knows it
            leaves.terminate()
        rig.feed(1)
    seconds = back_in(rig)
    report(rig.judge().require(repeats=6), seconds)


@pytest.mark.long
def test_a_history_that_is_walked_again_beside_live_records(rig: WatchRig, report: Report) -> None:
    chance = random.Random(11)
    rig.start()
    rig.wait_judging()
    for _ in range(4):
        rig.feed_past(chance)
        rig.feed(2)
    rig.live[0].kill()
    rig.feed_past(chance)
    rig.feed(1)
    rig.start()
    seconds = back_in(rig)
    rig.feed_past(chance)
    report(rig.judge().require(repeats=1), seconds)


@pytest.mark.long
def test_records_that_are_late_out_of_order_and_doubled(rig: WatchRig, report: Report) -> None:
    chance = random.Random(13)
    rig.start()
    rig.start()
    rig.wait_judging()
    for _ in range(5):
        rig.feed(4, order=chance)
    chance.choice(rig.live).kill()
    rig.feed(4, order=chance)
    rig.start()
    seconds = back_in(rig)
    report(rig.judge().require(repeats=1), seconds)


@pytest.mark.long
@pytest.mark.parametrize(
    "step", [11 * MINUTE, -11 * MINUTE, 5 * HOUR, -5 * HOUR],
    ids=["11_minutes_ahead", "11_minutes_back", "5_hours_ahead", "5_hours_back"],
)  # fmt: skip
def test_the_clock_steps_and_is_set_right_again(rig: WatchRig, report: Report, step: float) -> None:
    """For all of them at once, as on one machine; one starts while it is wrong."""
    rig.start()
    rig.start()
    rig.wait_judging()
    rig.feed(3)
    rig.clock.set(step)
    rig.feed(3)
    rig.wait_told()  # as if nothing were
    rig.live[0].kill()
    rig.start()
    rig.feed(3)
    rig.clock.set(0)
    seconds = back_in(rig)
    report(rig.judge().require(repeats=1), seconds)


@pytest.mark.long
def test_the_file_of_rules_is_broken_while_it_runs_and_then_mended(rig: WatchRig, report: Report) -> None:
    rig.start()
    rig.start()
    rig.wait_judging()
    rig.feed(2)
    rig.say(rig.rules.replace("above", "abov"))
    for process in rig.live:
        process.wait_reason("the rules before it stay in force", "did you mean above?")
    rig.feed(2)
    rig.live[0].kill()  # the other goes on for both, by the rules that it has
    rig.feed(2)
    refused = rig.start()
    assert refused.wait_end() != 0
    refused.wait_said("did you mean above?")
    rig.say(rig.rules)
    rig.start()
    seconds = back_in(rig)
    report(rig.judge().require(repeats=1), seconds)


@pytest.mark.long
def test_bars_and_stats_over_kills_at_random(kafka: Kafka, tmp_path: Path, report: Report) -> None:
    with WatchRig(kafka.endpoint, tmp_path, derives=True) as rig:
        seconds = killed_at_random(rig, 4, random.Random(17), within=(0, MINUTE_MS // 3, 2 * MINUTE_MS // 3))
        verdict = rig.judge().require(repeats=4)
        assert rig.must.derived
        report(verdict, seconds)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_kills_at_random_while_discord_refuses_and_loses_answers(rig: WatchRig, report: Report, seed: int) -> None:
    chance = random.Random(seed)
    rig.stand_in.script = [chance.choice([204, 204, (429, {"retry_after": 0.2}), 503, 0]) for _ in range(40)]
    lost = rig.stand_in.script.count(0)
    seconds = killed_at_random(rig, 4, chance)
    report(rig.judge().require(repeats=4 + lost), seconds)
