from __future__ import annotations

import threading
import time

from cryptoproxy.common.service import Loop
from tests.conftest import wait_until


def test_a_stop_ends_a_wait_at_once() -> None:
    stop = threading.Event()
    loop = Loop("loop", stop)
    returned: list[bool] = []
    thread = threading.Thread(target=lambda: returned.append(loop.wait(3600)))
    thread.start()
    stop.set()
    thread.join(180)
    assert returned == [True]
    assert not loop.running


def test_a_wait_that_is_over_says_go_on() -> None:
    loop = Loop("loop", threading.Event())
    begun = time.monotonic()
    assert loop.wait(0.2) is False
    assert time.monotonic() - begun >= 0.2
    assert loop.wait(0) is False
    assert loop.wait(-1) is False
    assert loop.running


def test_asking_waiting_and_turning_are_seen_by_the_watchdog() -> None:
    loop = Loop("loop", threading.Event())
    for turn in (lambda: loop.running, lambda: loop.wait(0), loop.turn):
        loop._turned -= 100
        assert loop.seconds_since_turn > 99
        turn()
        assert loop.seconds_since_turn < 50


def test_a_long_wait_turns_all_the_time() -> None:
    stop = threading.Event()
    loop = Loop("loop", stop)
    thread = threading.Thread(target=lambda: loop.wait(3600))
    thread.start()
    try:
        loop._turned -= 100
        wait_until(lambda: loop.seconds_since_turn < 50, what="a turn")
    finally:
        stop.set()
        thread.join(180)
