from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.common.retry import CAP_SECONDS, Backoff, Patience, at_once, seconds_told
from cryptoproxy.errors import OperatorError, TransientError

seconds = st.floats(0.05, 1000)


@given(st.lists(st.none() | seconds, max_size=60), seconds, seconds)
def test_a_wait_lies_in_the_upper_half_of_its_bound(asked: list[float | None], first: float, cap: float) -> None:
    backoff = Backoff(first=first, cap=cap)
    for failures, retry_after in enumerate(asked):
        assert backoff.failures == failures
        wait = backoff.next(retry_after)
        bound = min(cap, first * 2**failures)
        assert min(bound, cap) / 2 <= wait
        assert wait <= max(bound, min(retry_after or 0, cap))
        assert wait >= min(retry_after or 0, cap)


def test_waits_double_up_to_the_cap_and_stay_there() -> None:
    backoff = Backoff(uniform=lambda low, high: high)
    waits = [backoff.next() for _ in range(10_000)]
    assert waits[:8] == [0.5, 1, 2, 4, 8, 16, 32, CAP_SECONDS]
    assert set(waits[8:]) == {CAP_SECONDS}
    assert all(one <= other for one, other in pairwise(waits))


@pytest.mark.parametrize("text", ["600", " 600 ", "600.0", "600s", "600 s", "600 sec", "600 Seconds", '"600"', "600."])
def test_seconds_are_read_however_a_server_writes_them(text: str) -> None:
    assert seconds_told(text) == 600


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "600ms", "10 moons", "PT600S", "6e2", "٦٠٠", "Wed, 10 Aug 2022 00:12:10 GMT"]
)
def test_what_is_no_number_of_seconds_tells_none(text: str) -> None:
    assert seconds_told(text) is None


def test_the_shortest_wait_is_half_of_that() -> None:
    backoff = Backoff(uniform=lambda low, high: low)
    assert [backoff.next() for _ in range(3)] == [0.25, 0.5, 1]


def test_waits_differ_so_that_a_fleet_does_not_come_back_at_once() -> None:
    assert len({Backoff(first=60).next() for _ in range(100)}) > 90


def test_what_the_other_side_asks_for_is_a_floor_up_to_the_cap() -> None:
    assert Backoff().next(40) == 40
    backoff = Backoff(cap=10)
    assert backoff.next(300) == backoff.next(float("inf")) == 10
    assert backoff.next(0) > 0
    assert backoff.failures == 3


def test_success_begins_anew() -> None:
    backoff = Backoff(uniform=lambda low, high: high)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 0.5


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "an answer"

    return ask


def test_a_command_waits_for_what_is_away_and_says_what(caplog: pytest.LogCaptureFixture) -> None:
    waits: list[float] = []
    patience = Patience("S3", waits.append)
    with caplog.at_level(logging.INFO):
        assert patience(failing(*[TransientError("the bucket does not answer")] * 3)) == "an answer"
    assert len(waits) == 3
    assert waits == sorted(waits)
    assert caplog.messages == [
        "waits for S3: the bucket does not answer",
        "S3 answers again, after 3 tries that failed",
    ]


def test_what_the_other_side_asks_for_is_waited() -> None:
    waits: list[float] = []
    Patience("S3", waits.append)(failing(TransientError("slow down", retry_after=9)))
    assert waits == [9]


def test_what_only_a_person_can_mend_is_no_matter_of_patience() -> None:
    with pytest.raises(OperatorError):
        Patience("S3", lambda _: None)(failing(TransientError("away"), OperatorError("no rights", remedy="give them")))


def test_a_loop_that_decides_itself_is_told_at_once() -> None:
    with pytest.raises(TransientError):
        at_once(failing(TransientError("away")))
