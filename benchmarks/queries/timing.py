"""A search timed: how long it took, and its cost in processor time, which other load changes little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.figures import median

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Timed:
    """Medians, in seconds. ``cpu`` counts all of Elasticsearch's threads."""

    name: str
    seconds: float
    cpu: float
    searches: int
    rows: int


def cpu_of(pid: int) -> float:
    total = 0.0
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        spent = each.cpu_times()
        total += spent.user + spent.system
    return total


def timed(name: str, pid: int, work: Callable[[], Any], *, rounds: int = ROUNDS) -> Timed:
    """``work`` answers (searches, rows)."""
    seconds, cpu = [], []
    searches = rows = 0
    for _ in range(rounds):
        began, spent = time.monotonic(), cpu_of(pid)
        searches, rows = work()
        seconds.append(time.monotonic() - began)
        cpu.append(cpu_of(pid) - spent)
    return Timed(name, median(seconds), median(cpu), searches, rows)
