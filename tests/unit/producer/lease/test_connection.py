"""Having a client in the group."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from cryptoproxy.common.retry import Backoff
from cryptoproxy.engines.machine.process import until
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.lease.membership import Connection
from cryptoproxy.producer.lease.tenure import Standing
from tests.conftest import PATIENCE

SETTLED = Standing(member_id="m", generation=1, settled=True, chosen=False)


class Membership(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(answers=0, left=threading.Event(), standing=lambda: SETTLED)

    def leave(self) -> None:
        self.left.set()


class Rig:
    def __init__(self, *results: Any) -> None:
        self.opened = 0
        self._results = iter(results)
        self.connection = Connection(
            self._open,
            stuck_after=60.0,
            now=0.0,
            backoff=Backoff(first=1.0, cap=4.0, uniform=lambda low, high: high),
        )

    def _open(self) -> Any:
        self.opened += 1
        result = next(self._results)
        if isinstance(result, Exception):
            raise result
        if isinstance(result, threading.Event):
            assert result.wait(180)
            return Membership()
        return result

    def tend(self, now: float) -> bool:
        """Until the opening that is under way, if any, has ended."""
        put = self.connection.tend(now)
        opening = self.connection._opening
        if opening is not None:
            opening.exception(10)
            put = self.connection.tend(now)
        return put


def test_the_first_client_is_opened_at_once() -> None:
    first = Membership()
    rig = Rig(first)
    assert rig.tend(0.0)
    assert rig.connection.membership is first


@pytest.mark.parametrize("error", [TransientError("no broker"), OperatorError("no topic", remedy="Run setup")])
def test_a_failure_is_kept_and_tried_again_with_growing_waits(error: Exception) -> None:
    rig = Rig(error, error, Membership())
    assert not rig.tend(0.0)
    assert rig.connection.trouble is error
    assert not rig.tend(0.9)
    assert rig.opened == 1
    assert not rig.tend(1.0)
    assert not rig.tend(2.9)
    assert rig.opened == 2
    assert rig.tend(3.0)
    assert rig.connection.trouble is None


def test_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Rig(ZeroDivisionError()).tend(0.0)


def test_a_client_that_answers_is_kept() -> None:
    rig = Rig(Membership())
    rig.tend(0.0)
    for now in range(0, 600, 2):
        assert rig.connection.membership is not None
        rig.connection.membership.answers += 1
        assert not rig.tend(float(now))
    assert rig.opened == 1


@pytest.mark.parametrize("settled", [True, False])
def test_a_client_that_is_stuck_is_replaced_only_when_a_new_one_is_there(settled: bool) -> None:
    """Stuck: no answer, or answers only to its reader while it never gets into the group."""
    old, new = Membership(), Membership()
    old.standing = lambda: Standing(member_id="m", generation=1, settled=settled, chosen=False)
    rig = Rig(old, TransientError("no broker"), new)
    rig.tend(0.0)
    old.answers += 0 if settled else 5
    assert not rig.tend(61.0)
    assert rig.connection.membership is old
    assert rig.tend(70.0)
    assert rig.connection.membership is new
    assert old.left.wait(180)


def test_a_client_that_comes_back_meanwhile_is_kept() -> None:
    old, new = Membership(), Membership()
    rig = Rig(old, new)
    rig.tend(0.0)
    assert not rig.connection.tend(61.0)
    old.answers += 1
    assert not rig.tend(62.0)
    assert rig.connection.membership is old
    assert new.left.wait(180)


def test_a_pause_of_this_process_is_no_silence_of_kafka() -> None:
    rig = Rig(Membership())
    rig.tend(0.0)
    rig.connection.forgive(1000.0)
    assert not rig.tend(1000.0)
    assert rig.opened == 1


def test_a_dropped_client_leaves_and_another_is_opened() -> None:
    old, new = Membership(), Membership()
    rig = Rig(old, new)
    rig.tend(0.0)
    rig.connection.drop(OperatorError("refused", remedy="Check rights"), 10.0)
    assert rig.connection.membership is None
    assert old.left.wait(180)
    assert not rig.tend(10.9)
    assert rig.tend(11.0)


def test_an_opening_that_hangs_is_not_waited_for_for_ever() -> None:
    gate, second = threading.Event(), Membership()
    rig = Rig(gate, second)
    rig.connection.tend(0.0)
    rig.connection.tend(59.0)
    rig.connection.tend(61.0)
    assert rig.tend(62.0)
    assert rig.connection.membership is second
    gate.set()
    assert until(lambda: rig.opened == 2, PATIENCE)
