"""What all tests share: waiting for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from cryptoproxy.common.service import garbage

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, seconds: float = 60, what: str = "") -> T:
    """The first true value of ``condition``; fails the test after ``seconds`` with the last value seen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what or condition} did not come true within {seconds:g} s; last value: {value!r}")
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def garbage_is_collected_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in this process would freeze all that the tests have made, and what leaks with it."""
    monkeypatch.setattr(garbage, "settle", lambda: None)
