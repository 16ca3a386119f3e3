"""One run of programs over a loaded topic: rate, own CPU per record and memory, seen from outside.

Counted from the moment when the first part of the records is through, so that starting up is not spread over the
records: a program that runs for months starts once. What starting costs is a figure of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cost import peak_rss_mb, sum_cpu
from benchmarks.world import BenchmarkError, Child

BEGIN_SHARE = 0.05
"""Of the records that go through before the count begins."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """``rate`` in records/s; ``cpu_us`` own CPU in µs per record; ``engine_us`` the engine's CPU in µs per record."""

    rate: float
    cpu_us: float
    peak_rss_mb: float
    start_cpu_seconds: float
    engine_us: float


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    records: int
    own: float
    engine: float

    @classmethod
    def now(cls, records: int, children: Sequence[Child], engine: Callable[[], float]) -> _Mark:
        return cls(time.monotonic(), records, sum_cpu(child.pid for child in children), engine())


def run(
    children: Sequence[Child],
    *,
    count: int,
    through: Callable[[], int],
    engine: Callable[[], float],
    already: int = 0,
    seconds: float = 600,
) -> Run:
    """Waits until ``count`` records are ``through``.

    Args:
        engine: CPU seconds so far of what takes the records.
        already: through before this run.
    """
    deadline = time.monotonic() + seconds
    begin: _Mark | None = None
    while (done := through() - already) < count:
        if begin is None and done >= count * BEGIN_SHARE:
            begin = _Mark.now(done, children, engine)
        for child in children:
            child.require_alive()
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{done} of {count} records were through after {seconds:g} s")
        time.sleep(LOOK_SECONDS)
    end = _Mark.now(done, children, engine)
    if begin is None:
        raise BenchmarkError(f"{count} records are too few to be measured")
    records = end.records - begin.records
    return Run(
        rate=records / (end.at - begin.at),
        cpu_us=(end.own - begin.own) / records * 1e6,
        peak_rss_mb=max(peak_rss_mb(child.pid) for child in children),
        start_cpu_seconds=begin.own - begin.records * (end.own - begin.own) / records,
        engine_us=(end.engine - begin.engine) / records * 1e6,
    )
