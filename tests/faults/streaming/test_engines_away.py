"""2,000 trades a second by stream, and what is around the poller fails: each trade is on the topic and in the lake, once by
its id, and no gap is left."""

from __future__ import annotations

import json
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.rig import Rig
from tests.faults.test_disk import forbid_files_over
from tests.faults.test_streams import ALONE, World

FAST = 80
"""Trades of a turn at most: 2,000 a second."""
SOON = {
    "TEST_ALONE": "1",
    "TEST_PATCH": json.dumps({"cryptoproxy.producer.drains.to_kafka.ACK_SECONDS": 3.0}),
}


@pytest.fixture
def world(rig: Rig) -> Iterator[World]:
    made = World(rig)
    yield made
    made.close()


def wait_traded(world: World, more: int) -> None:
    before = len(world.truth())
    wait_until(lambda: len(world.truth()) > before + more, what=f"{more} more trades")


def judged(world: World, report: Report) -> None:
    began = time.monotonic()
    report(world.judge(), time.monotonic() - began)


def away(world: World, seconds: float, go: Callable[[], object], come: Callable[[], object]) -> None:
    """For so long, while it flows."""
    poller = world.rig.start(test=SOON)
    world.wait_streaming(poller)
    world.begin(most=FAST)
    wait_until(world.on_topic)
    go()
    try:
        threading.Event().wait(seconds)
    finally:
        come()


LONG = pytest.param(120.0, marks=pytest.mark.long, id="120 s")
SHORT = pytest.param(10.0, marks=pytest.mark.long, id="10 s")


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_kafka_is_away_while_2000_trades_a_second_come(world: World, seconds: float, report: Report) -> None:
    kafka = world.rig.engines.kafka
    away(world, seconds, kafka.suspend, kafka.resume)
    judged(world, report)


@pytest.mark.parametrize("seconds", [pytest.param(5.0, id="5 s"), LONG])
def test_s3_is_away_while_2000_trades_a_second_come(world: World, seconds: float, report: Report) -> None:
    away(world, seconds, world.rig.s3.pause, world.rig.s3.resume)
    judged(world, report)


@pytest.mark.long
def test_kafka_and_s3_are_away_while_2000_trades_a_second_come(world: World, report: Report) -> None:
    kafka, s3 = world.rig.engines.kafka, world.rig.s3

    def go() -> None:
        kafka.suspend()
        s3.pause()

    def come() -> None:
        kafka.resume()
        s3.resume()

    away(world, 20.0, go, come)
    judged(world, report)


@pytest.mark.long
def test_the_outbox_is_full_and_what_comes_meanwhile_is_mended(world: World, report: Report) -> None:
    """Nothing is read any more, so the connection ends; ids tell what lacks. The whole folder is each drain's: else what the
    one has no room for would be kept for the other alone."""
    kafka, s3 = world.rig.engines.kafka, world.rig.s3
    world.rig.texts |= dict.fromkeys(("OUTBOX_MAX_SIZE", "OUTBOX_KAFKA_MAX_SIZE", "OUTBOX_S3_MAX_SIZE"), "4MiB")
    poller = world.rig.start(test=SOON)
    world.wait_streaming(poller)
    world.begin(most=FAST)
    wait_until(world.on_topic)
    kafka.suspend()
    s3.pause()
    try:
        poller.wait_reason("is full")
        wait_until(lambda: world.exchange.connections == 0, what="no connection")
        wait_traded(world, 4_000)
    finally:
        kafka.resume()
        s3.resume()
    judged(world, report)


@pytest.mark.long
def test_the_disk_is_full_and_what_comes_meanwhile_is_mended(world: World, report: Report) -> None:
    poller = world.rig.start(test=SOON)
    world.wait_streaming(poller)
    world.begin(most=FAST)
    wait_until(world.on_topic)
    forbid_files_over(poller, 1_000)
    poller.wait_reason("cannot be written")
    wait_traded(world, 4_000)
    forbid_files_over(poller, resource.RLIM_INFINITY)
    judged(world, report)


@pytest.mark.long
def test_the_poller_is_killed_while_kafka_is_away(world: World, report: Report) -> None:
    kafka = world.rig.engines.kafka
    poller = world.rig.start(test=SOON)
    world.wait_streaming(poller)
    world.begin(most=FAST)
    wait_until(world.on_topic)
    kafka.suspend()
    wait_traded(world, 10_000)
    world.rig.kill(poller)
    wait_traded(world, 2_000)
    kafka.resume()
    world.wait_streaming(world.rig.start("again", test=SOON))
    judged(world, report)


@pytest.mark.long
def test_two_holders_at_once(world: World, report: Report) -> None:
    """Without a lease: what both keep has the same ids."""
    first = world.rig.start("first", test=ALONE)
    world.wait_streaming(first)
    world.begin(most=FAST)
    second = world.rig.start("second", test=ALONE, OUTBOX_DIR=str(world.rig.folder / "outbox-2"))
    second.wait_ready()
    wait_until(lambda: world.exchange.connections == 2, what="two connections")
    wait_traded(world, 10_000)
    world.exchange.cut()
    wait_traded(world, 10_000)
    judged(world, report)


@pytest.mark.long
def test_a_holder_that_was_stopped_and_goes_on_beside_its_successor(world: World, report: Report) -> None:
    first = world.rig.start("first")
    world.wait_streaming(first)
    world.begin(most=FAST)
    second = world.rig.start("second", OUTBOX_DIR=str(world.rig.folder / "outbox-2"))
    second.wait_reason("standing by: another poller is active")
    first.signal(signal.SIGSTOP)
    second.wait_ready()
    wait_traded(world, 4_000)
    first.signal(signal.SIGCONT)
    first.wait_reason("standing by: another poller is active")
    wait_traded(world, 4_000)
    judged(world, report)
