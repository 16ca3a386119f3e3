"""Lake → index or topic: read → wait for the rate → send → mark. Oldest hour first, one source after the other.

A few portions are under way at once, of one hour or of several: an hour in the lake is small, and to wait at the end of
each would be most of a replay's time. An hour is marked when all of it, and all before it, is at its target.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice

from cryptoproxy.common.log import Limited
from cryptoproxy.consumer.backfill.progress import Display, Marks, Totals
from cryptoproxy.consumer.backfill.reconcile import UnknownSourceError
from cryptoproxy.consumer.backfill.targets import Sent, Target
from cryptoproxy.consumer.window import Workers
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.lake.form import Fault, Form, Stored

log = logging.getLogger(__name__)

GRACE_MS = 300_000
"""An hour may get further objects for so long after its end; until then it is not marked as finished."""
_SHOWN = 50


class Rate:
    """A bucket of tokens that fills at ``per_second`` and holds a second's worth; None is no limit.

    Within any ``t`` seconds at most ``per_second * (t + 1)`` records go, as long as each call's count is below a
    second's worth (:meth:`portion`).
    """

    def __init__(self, per_second: float | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._tokens = per_second or 0.0
        self._filled_at = monotonic()

    def portion(self, most: int) -> int:
        """How many records to take at once: ``most``, or a second's worth."""
        return most if self._per_second is None else max(1, min(most, int(self._per_second)))

    def take(self, count: int) -> float:
        """Takes so many tokens; the seconds to wait before the records may go."""
        if self._per_second is None:
            return 0.0
        now = self._monotonic()
        filled = self._tokens + (now - self._filled_at) * self._per_second
        self._filled_at = now
        self._tokens = min(self._per_second, filled) - count
        return max(0.0, -self._tokens / self._per_second)


@dataclass(frozen=True, slots=True)
class _Portion:
    count: int
    sent: Future[Sent]


@dataclass(frozen=True, slots=True)
class _EndOfHour:
    """``complete``: nothing can be added to it any more."""

    hour: int
    source: str
    complete: bool


class Replay:
    """One replay.

    Args:
        portion: most records in one step.
        in_flight: portions under way at once; 1 where their order matters.
        wait: pauses for so many seconds.
    """

    def __init__(
        self,
        archive: Form,
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
        self._under_way: deque[_Portion | _EndOfHour | Fault] = deque()
        """In the order of reading, and counted in it: what a mark says is what was done by then."""
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
                self._under_way.append(_EndOfHour(hour, source, complete))
                self._land(leave=self._in_flight)
            self._land(leave=0)
        finally:
            self._workers.stop()
        self._marks.forget()
        return self._totals

    def _plan(self, span: Span, sources: list[str] | None) -> list[tuple[int, str]]:
        there = self._archive.sources()
        if unknown := sorted(set(sources or ()) - set(there)):
            raise UnknownSourceError(
                f"the lake has nothing of {', '.join(unknown)}", remedy=f"It knows {', '.join(there) or 'no source'}"
            )
        wanted = there if sources is None else sources
        return sorted((hour, source) for source in set(wanted) for hour in self._archive.hours(source, span))

    def _hour(self, source: str, part: Span) -> None:
        for portion in _portions(self._archive.records(source, part, self._under_way.append), self._portion):
            if (seconds := self._rate.take(len(portion))) > 0:
                self._wait(seconds)
            self._land(leave=self._in_flight - 1)
            self._under_way.append(_Portion(len(portion), self._workers.submit(partial(self._target.send, portion))))

    def _land(self, *, leave: int) -> None:
        """Takes what has an end, oldest first, and waits until only ``leave`` portions are left."""
        sending = sum(isinstance(each, _Portion) for each in self._under_way)
        while self._under_way:
            oldest = self._under_way[0]
            if isinstance(oldest, _Portion) and sending <= leave and not oldest.sent.done():
                return
            self._under_way.popleft()
            if isinstance(oldest, Fault):
                self._poison(oldest)
            elif isinstance(oldest, _EndOfHour):
                if oldest.complete:
                    self._marks.finish(oldest.hour, oldest.source, self._totals)
                self._display.hour_done(oldest.source, oldest.hour)
            else:
                sending -= 1
                self._count(oldest.count, oldest.sent.result())

    def _count(self, read: int, sent: Sent) -> None:
        self._totals.read += read
        self._totals.written += sent.written
        self._totals.known += sent.known
        for fault in sent.refused:
            self._poison(fault)
        self._display.records(read)

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
