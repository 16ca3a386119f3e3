"""Standing still is noticed."""

from __future__ import annotations

import threading
import time

import pytest

from cryptoproxy.engines.machine.process import until
from cryptoproxy.producer.lease.tenure import Pauses, elapsed
from tests.conftest import PATIENCE


class Hand:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_gap_longer_than_the_limit_is_a_pause() -> None:
    clock = Hand()
    pauses = Pauses(6.0, clock)
    clock.now += 6.0
    assert pauses.look() == 0
    clock.now += 6.1
    assert pauses.look() == 1
    assert pauses.look() == 1
    clock.now += 20
    assert pauses.look() == 2
    assert pauses.longest == pytest.approx(20)


def test_the_length_is_forgotten_when_it_was_dealt_with() -> None:
    clock = Hand()
    pauses = Pauses(6.0, clock)
    clock.now += 30
    pauses.look()
    pauses.forget()
    assert pauses.longest == 0


def test_someone_looks_while_all_others_wait() -> None:
    looks: list[str] = []

    def clock() -> float:
        looks.append(threading.current_thread().name)
        return elapsed()

    pauses = Pauses(6.0, clock)
    with pauses.watched():
        assert until(lambda: looks.count("lease-pauses") >= 2, PATIENCE)
    assert not [thread for thread in threading.enumerate() if thread.name == "lease-pauses"]


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= elapsed() <= time.clock_gettime(time.CLOCK_BOOTTIME)
