"""What the tests of the budget share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.producer.budget import Budget
from cryptoproxy.upstreams.base import Limit, Limits
from tests.unit.producer.budget.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make(tmp_path: Path, clock: HandClock) -> Callable[..., Budget]:
    """A budget, by window: ``make(minute=5, month=100)``. Made again, it is the next run on the same folder."""

    def build(
        *, folder: Path = tmp_path / "budget", boot: str = "boot-1", slow_above: float = 1.0, **more: object
    ) -> Budget:
        names = {"minute": "minute", "five_seconds": "5s", "month": "month"}
        limits = tuple(
            Limit(window=window, amount=int(str(more.pop(name))), setting=name.upper(), slow_above=slow_above)
            for name, window in names.items()
            if name in more
        )
        of = Limits(upstream="upstream", unit="calls", interval_setting="INTERVAL", limits=limits)
        return Budget(of, folder, clock=clock, boot=boot, **more)  # type: ignore[arg-type]

    return build
