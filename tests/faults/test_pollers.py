"""Several pollers: one polls, another follows when it is killed, stopped or ends; their outboxes are their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

import pytest

from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig


def start(rig: Rig, name: str) -> PollerProcess:
    return rig.start(name, OUTBOX_DIR=str(rig.folder / f"outbox-{name}"))


def wait_standing_by(*pollers: PollerProcess) -> None:
    for poller in pollers:
        poller.wait_reason("standing by: another poller is active")


def wait_active(pollers: Sequence[PollerProcess], *, seconds: float = 180) -> tuple[PollerProcess, float]:
    """The one that polls next, and the seconds until it did."""
    began = time.monotonic()
    before = {poller.name: poller.polls() for poller in pollers}

    def polls() -> PollerProcess | None:
        return next((poller for poller in pollers if poller.polls() > before[poller.name]), None)

    found = wait_until(polls, seconds=seconds, what="a poller that polls")
    assert found
    return found, time.monotonic() - began


def test_a_second_poller_stands_by_and_follows_a_killed_one(rig: Rig, report: Report) -> None:
    first = start(rig, "first")
    first.wait_polls(5)  # by then it has told on the topic what it polled
    second = start(rig, "second")
    wait_standing_by(second)
    assert second.polls() == 0
    rig.kill(first)
    _, seconds = wait_active([second])
    assert second.wait_said("slots missed since", "no poller was active")
    # What the first one has kept and not delivered, it delivers itself when it is back.
    again = start(rig, "first")
    wait_standing_by(again)
    report(rig.judge(two_holders=True).require(), seconds)


def test_a_planned_change_of_pollers_misses_hardly_a_slot_and_polls_none_twice(rig: Rig, report: Report) -> None:
    first = start(rig, "first")
    first.wait_polls(2)
    second = start(rig, "second")
    wait_standing_by(second)
    first.terminate()
    _, seconds = wait_active([second])
    assert first.said("left the pollers' group; another one may begin"), "else the successor would only notice"
    assert second.said("this poller is the one to poll from now on", "which had stopped"), "not: silent for 6 s"
    assert not first.said("Traceback")
    start(rig, "first")  # sends what the last seconds were too short for
    wait_until(lambda: not any(evidence.waiting(first.outbox).values()), what="nothing waits on its disk")
    verdict = rig.judge().require()
    assert verdict.again == 0
    report(verdict, seconds)


def test_a_holder_that_was_stopped_and_goes_on_does_not_poll_beside_its_successor(rig: Rig, report: Report) -> None:
    first = start(rig, "first")
    first.wait_polls(2)
    second = start(rig, "second")
    wait_standing_by(second)
    first.signal(signal.SIGSTOP)
    _, seconds = wait_active([second])
    first.signal(signal.SIGCONT)
    first.wait_reason("standing by: another poller is active")
    polls = first.polls()
    second.wait_polls(3)
    assert first.polls() == polls
    assert first.running
    report(rig.judge(two_holders=True).require(), seconds)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_of_ten_pollers_one_polls_at_a_time_whoever_is_killed(rig: Rig, report: Report) -> None:
    pollers = [start(rig, f"poller-{number}") for number in range(10)]
    longest = 0.0
    active, _ = wait_active(pollers)
    for _ in range(4):
        rest = [poller for poller in pollers if poller is not active and poller.running]
        wait_standing_by(*rest)
        rig.kill(active)
        active, seconds = wait_active(rest)
        longest = max(longest, seconds)
    for poller in [poller for poller in pollers if not poller.running]:
        start(rig, poller.name)  # delivers what it had kept
    report(rig.judge(two_holders=True).require(), longest)
