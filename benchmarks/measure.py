"""One run of programs over a loaded topic: rate, own CPU per record and memory, seen from outside.

Counted twice. As who waits for it sees it: from the start of the process, and from the first record that is through, to
the moment when all can be found. And from the moment when the first part of the records is through, so that neither
starting nor warming up is spread over them: a program that runs for months starts once.
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
    """Rates in records/s, CPU in µs per record, own and the engine's."""

    rate: float
    cpu_us: float
    peak_rss_mb: float
    start_cpu_seconds: float
    engine_us: float
    from_start: float
    from_first: float
    """The rate since the first record was through."""
    first_seconds: float
    """From the start until then."""
    whole_cpu_us: float
    whole_engine_us: float
    """From the start, to the moment when all can be found."""


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
    found: Callable[[], int] | None = None,
    seconds: float = 600,
) -> Run:
    """Waits until ``count`` records are ``through``, and then until they are ``found``.

    Args:
        engine: CPU seconds so far of what takes the records.
        found: how many records a question finds, where that is another thing.
    """
    deadline = time.monotonic() + seconds
    before = engine()
    first = 0.0
    begin: _Mark | None = None
    while (done := through()) < count:
        first = first or (time.monotonic() if done else 0.0)
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
    while found is not None and found() < count:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not all of {count} records could be found after {seconds:g} s")
    last = _Mark.now(done, children, engine)
    started = min(child.started for child in children)
    records = end.records - begin.records
    return Run(
        rate=records / (end.at - begin.at),
        cpu_us=(end.own - begin.own) / records * 1e6,
        peak_rss_mb=max(peak_rss_mb(child.pid) for child in children),
        start_cpu_seconds=begin.own - begin.records * (end.own - begin.own) / records,
        engine_us=(end.engine - begin.engine) / records * 1e6,
        from_start=count / (last.at - started),
        from_first=count / (last.at - first),
        first_seconds=first - started,
        whole_cpu_us=last.own / count * 1e6,
        whole_engine_us=(last.engine - before) / count * 1e6,
    )
