"""Lake → index or topic: read → wait for the rate → send → mark. Oldest hour first, one source after the other.

A few portions are under way at once; an hour is marked when all of it is at its target.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import TypeVar

from common.errors import OperatorError, TransientError
from common.log import Limited
from common.retry import Backoff
from common.service import Health
from consumer.backfill.display import Display
from consumer.backfill.marks import Marks, Totals
from consumer.backfill.rate import Rate
from consumer.backfill.span import HOUR_MS, Span
from consumer.backfill.targets import Sent, Target
from consumer.workers import Workers
from lake.archive import Archive, Fault, Stored

log = logging.getLogger(__name__)

T = TypeVar("T")
GRACE_MS = 300_000
"""An hour may get further objects for so long after its end; until then it is not marked as finished."""
_SHOWN = 50


class Patience:
    """Waits while the lake is away. What needs a person ends the replay: the next start goes on there."""

    def __init__(self, health: Health, wait: Callable[[float], object] = time.sleep) -> None:
        self._health = health
        self._wait = wait

    def __call__(self, ask: Callable[[], T]) -> T:
        backoff = Backoff()
        while True:
            try:
                result = ask()
            except TransientError as error:
                self._health.hold("s3", str(error))
                self._wait(backoff.next(error.retry_after))
            else:
                self._health.release("s3")
                return result


class Replay:
    """One replay.

    Args:
        portion: most records in one step.
        in_flight: portions under way at once; 1 where their order matters.
        wait: pauses for so many seconds.
    """

    def __init__(
        self,
        archive: Archive,
        target: Target,
        marks: Marks,
        rate: Rate,
        display: Display,
        *,
        portion: int,
        in_flight: int,
        now_ms: Callable[[], int],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._archive = archive
        self._target = target
        self._marks = marks
        self._rate = rate
        self._display = display
        self._portion = rate.portion(portion)
        self._in_flight = in_flight
        self._workers = Workers(in_flight, "replay")
        self._now_ms = now_ms
        self._wait = wait
        self._totals = Totals()
        self._shown = 0
        self._limited = Limited(log)

    def run(self, span: Span, sources: list[str] | None) -> Totals:
        """Everything of ``span``, or what an interrupted start left of it.

        Raises:
            OperatorError: only a person can mend it.
        """
        mark, self._totals = self._marks.load()
        plan = self._plan(span, sources)
        left = [each for each in plan if mark is None or each > mark]
        self._display.begin(len(plan), len(plan) - len(left))
        if mark is not None:
            self._display.say(f"goes on after {len(plan) - len(left)} hours that an earlier start has finished")
        self._target.begin()
        try:
            for hour, source in left:
                # What is asked before the reading cannot miss what is stored after it.
                complete = self._now_ms() > hour + HOUR_MS + GRACE_MS
                self._hour(source, span.cut(hour))
                if complete:
                    self._marks.finish(hour, source, self._totals)
                self._display.hour_done(source, hour)
        finally:
            self._workers.stop()
        self._marks.forget()
        return self._totals

    def _plan(self, span: Span, sources: list[str] | None) -> list[tuple[int, str]]:
        there = self._archive.sources()
        if unknown := sorted(set(sources or ()) - set(there)):
            raise OperatorError(
                f"the lake has nothing of {', '.join(unknown)}", remedy=f"It knows {', '.join(there) or 'no source'}"
            )
        wanted = there if sources is None else sources
        return sorted((hour, source) for source in set(wanted) for hour in self._archive.hours(source, span))

    def _hour(self, source: str, part: Span) -> None:
        under_way: deque[tuple[int, Future[Sent]]] = deque()
        for portion in _portions(self._archive.records(source, part, self._poison), self._portion):
            if (seconds := self._rate.take(len(portion))) > 0:
                self._wait(seconds)
            if len(under_way) == self._in_flight:
                self._land(*under_way.popleft())
            under_way.append((len(portion), self._workers.submit(partial(self._target.send, portion))))
        for count, future in under_way:
            self._land(count, future)

    def _land(self, count: int, future: Future[Sent]) -> None:
        sent = future.result()
        self._totals.read += count
        self._totals.written += sent.written
        self._totals.known += sent.known
        for fault in sent.refused:
            self._poison(fault)
        self._display.records(count)

    def _poison(self, fault: Fault) -> None:
        self._totals.poison += 1
        if self._shown < _SHOWN:
            self._shown += 1
            self._display.say(f"poison: {str(fault)[:1000]}")
        else:
            self._limited.warning("poison", f"more poison, for example {str(fault)[:300]}")


def _portions(records: Iterator[Stored], size: int) -> Iterator[list[Stored]]:
    while portion := list(islice(records, size)):
        yield portion
