"""What all tests share: waiting for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from cryptoproxy.common.service import process

pytest_plugins = ["tests.engines"]

T = TypeVar("T")

PATIENCE = 180.0
"""Seconds until a condition that does not come true is a failure. Costs nothing when all is well; on a machine with other
work to do a second may become a minute. No test asserts how long a thing takes: that is for `make bench`."""

# How fast examples are made says something of the machine alone.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("any machine")


def wait_until(condition: Callable[[], T], *, seconds: float = PATIENCE, what: str = "") -> T:
    """The first true value of ``condition``; fails the test after ``seconds`` with the last value seen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what or condition} did not come true within {seconds:g} s; last value: {value!r}")
        time.sleep(0.05)


WITH_ENGINES_OF_THEIR_OWN = ("tests/integration/security/",)
"""Folders whose tests share engines that take a minute to start: one worker has all of them."""


class ByEngines(LoadFileScheduling):
    """A worker has the tests of a file, or of a folder above."""

    def _split_scope(self, nodeid: str) -> str:
        own = (folder for folder in WITH_ENGINES_OF_THEIR_OWN if nodeid.startswith(folder))
        return next(own, super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByEngines:
    return ByEngines(config, log)


@pytest.fixture(autouse=True)
def garbage_is_collected_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in this process would freeze all that the tests have made, and what leaks with it."""
    monkeypatch.setattr(process, "settle", lambda: None)
