"""What a run counts from, and until when."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.measure import Run, run
from benchmarks.world import BenchmarkError


def answers(*values: int) -> Callable[[], int]:
    """One after the other; the last for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def measured(through: Callable[[], int], **more: Any) -> Run:
    process: Any = SimpleNamespace(pid=os.getpid(), started=time.monotonic() - 1.0, require_alive=lambda: None)
    return run([process], count=1000, through=through, engine=time.process_time, **more)


def test_who_waits_counts_from_the_start_and_from_the_first_record_to_the_moment_when_all_are_found() -> None:
    asked = []
    found = answers(0, 999, 1000)
    made = measured(answers(0, 10, 100, 1000), found=lambda: asked.append(1) or found())
    assert len(asked) == 3
    assert made.first_seconds >= 1.0
    whole = made.first_seconds + 1000 / made.from_first
    assert made.from_start == pytest.approx(1000 / whole)


def test_starting_is_not_spread_over_the_records_of_the_rate() -> None:
    made = measured(answers(0, 10, 100, 1000))
    assert made.rate > made.from_start


def test_too_few_records_are_no_measurement() -> None:
    with pytest.raises(BenchmarkError, match="too few"):
        measured(answers(0, 1000))
