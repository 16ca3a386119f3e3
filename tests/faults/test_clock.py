"""The machine's clock is set ahead and back by an hour: no slot twice, nothing false, and on when it is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.faults.process import Offset
from tests.faults.rig import Rig

HOUR = 3600.0


@pytest.fixture
def offset(tmp_path: Path) -> Offset:
    return Offset(tmp_path / "offset")


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["an_hour_ahead", "an_hour_back"])
def test_a_step_is_noticed_and_undone_without_a_slot_twice(
    rig: Rig, offset: Offset, report: Report, step: float
) -> None:
    poller = rig.start(test=offset.environment)
    poller.wait_polls(2)
    missed = poller.missed()["coingecko"]
    offset.set(step)
    reason = poller.wait_reason("this clock is", "ahead of the upstream's" if step > 0 else "behind the last slot")
    assert "Set the clock" in reason
    kept = poller.polls()
    poller.wait_missed(missed + 3, source="coingecko")
    assert poller.polls() == kept
    assert poller.missed()["coingecko"] - missed < 60, "the hour counts as missed, though nobody lived it"
    offset.set(0)
    seconds = poller.wait_polls(2)
    poller.wait_ready()
    verdict = rig.judge().require()
    assert verdict.again == 0
    report(verdict, seconds)


def test_a_clock_that_is_wrong_at_the_start_polls_nothing_until_it_is_right(
    rig: Rig, offset: Offset, report: Report
) -> None:
    offset.set(-HOUR)
    poller = rig.start(test=offset.environment)
    poller.wait_reason("this clock is 3600 s behind the upstream's")
    poller.wait_missed(2, source="coingecko")
    assert poller.polls() == 0
    offset.set(0)
    seconds = poller.wait_polls(2)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def test_a_clock_that_went_back_while_the_poller_was_down_polls_no_slot_twice(
    rig: Rig, offset: Offset, report: Report
) -> None:
    poller = rig.start(test=offset.environment)
    poller.wait_polls(3)
    poller.terminate()
    asked = len(rig.sandbox.ledger)
    offset.set(-HOUR)
    again = rig.start("again", test=offset.environment)
    again.wait_reason("behind the last slot that was polled", "no slot is polled twice")
    assert len(rig.sandbox.ledger) == asked
    offset.set(0)
    seconds = again.wait_polls(1)
    again.wait_ready()
    verdict = rig.judge().require()
    assert verdict.again == 0
    report(verdict, seconds)
