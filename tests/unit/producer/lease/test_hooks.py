"""What others do when the lease comes or goes."""

from __future__ import annotations

import threading

import pytest

from cryptoproxy.common.retry import Backoff
from cryptoproxy.engines.machine.process import until
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.lease.hooks import Hooks
from tests.conftest import PATIENCE


def hooks() -> Hooks:
    return Hooks(backoff=Backoff(uniform=lambda low, high: high))


def test_all_have_run_before_it_is_prepared() -> None:
    one, seen, gate = hooks(), list[str](), threading.Event()
    one.acquired += [lambda: seen.append("first"), lambda: assert_(gate.wait(180)), lambda: seen.append("last")]
    assert not one.prepared(1, 0.0)
    assert until(lambda: seen == ["first"], PATIENCE)
    assert not one.prepared(1, 0.0)
    gate.set()
    assert until(lambda: one.prepared(1, 0.0), PATIENCE)
    assert seen == ["first", "last"]


@pytest.mark.parametrize("error", [TransientError("away"), OperatorError("no topic", remedy="Run setup")])
def test_what_may_pass_is_tried_again_and_said(error: Exception) -> None:
    one, tries = hooks(), list[int]()

    def fail_twice() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise error

    one.acquired.append(fail_twice)
    assert until(lambda: one.prepared(1, 0.0) or one.trouble is not None, PATIENCE)
    assert one.trouble is error
    assert not one.prepared(1, 0.4), "0.5 s are waited for first"
    assert len(tries) == 1
    assert until(lambda: one.prepared(1, 0.5) or len(tries) == 2, PATIENCE)
    assert until(lambda: one.prepared(1, 2.0), PATIENCE)
    assert one.trouble is None


def test_any_other_error_is_raised() -> None:
    one = hooks()
    one.acquired.append(lambda: assert_(False))
    with pytest.raises(AssertionError):
        until(lambda: one.prepared(1, 0.0), 10)


def test_a_new_term_prepares_anew_after_the_loss_was_dealt_with() -> None:
    one, seen, gate = hooks(), list[str](), threading.Event()
    one.acquired.append(lambda: seen.append("acquired"))
    one.lost += [lambda: assert_(gate.wait(180)), lambda: seen.append("lost")]
    assert until(lambda: one.prepared(1, 0.0), PATIENCE)
    losing = one.lose()
    assert not one.prepared(2, 0.0)
    gate.set()
    assert until(lambda: one.prepared(2, 0.0), PATIENCE)
    assert losing.done()
    assert seen == ["acquired", "lost", "acquired"]


def test_a_failed_farewell_is_only_said_unless_it_is_a_fault_of_ours() -> None:
    one = hooks()

    def fail() -> None:
        raise TransientError("away")

    one.lost.append(fail)
    one.lose().exception(10)
    one.check()
    one.lost[:] = [lambda: assert_(False)]
    one.lose().exception(10)
    with pytest.raises(AssertionError):
        one.check()
    one.check()


def assert_(what: bool) -> None:
    assert what
