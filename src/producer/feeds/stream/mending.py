"""The calls that streams want, asked one at a time within the budget; and the upstream's time.

Order: what is due, stream by stream. A refusal that passes is waited for by the budget; one that does not is told to
the stream, whose gap then stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds.fetch import ClockError
from cryptoproxy.producer.feeds.poll import PollOnce, SlotMissedError
from cryptoproxy.upstreams.streaming.stream import Stream, Venue

log = logging.getLogger(__name__)

CALL_SECONDS = 30.0
"""One call may wait so long for its budget before it is looked at anew."""
CLOCK_SECONDS = 600.0
"""So often the upstream's time is asked for."""
CLOCK_AGAIN_SECONDS = 10.0
"""And so soon again where it was not to be had."""
MOST_FAILED = 3
"""Calls of one turn that fail before the others have to wait as well: one symbol's fault is no other's."""
LOOK_SECONDS = 0.1


@dataclass(eq=False)
class Mender:
    """Of one venue; give :meth:`run` a thread.

    Args:
        ask: what asks for each stream, by feed.
        lock: held while a stream is asked anything.
        active: whether this process shall ask.
    """

    venue: Venue
    streams: Sequence[Stream]
    _: KW_ONLY
    ask: Mapping[str, PollOnce]
    lock: AbstractContextManager[object]
    active: Callable[[], bool]
    clock: Clock

    def __post_init__(self) -> None:
        self.offset_ms: int | None = None
        """The upstream's time is ours and so much; None before it was measured."""
        self._measured_at = float("-inf")
        self._backoff = Backoff(first=0.5, cap=30.0)
        self._often = Limited(log, seconds=60, clock=self.clock.monotonic)

    def now_ms(self) -> int:
        """The upstream's time."""
        return self.clock.now_ms() + (self.offset_ms or 0)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            if not self.active():
                loop.wait(0.2)
                continue

            def wait(seconds: float) -> bool:
                return loop.wait(seconds) or not self.active()

            try:
                worked = self.step(wait)
            except SlotMissedError as error:
                if error.reason != "stopped":
                    loop.wait(self._backoff.next())
                continue
            except TransientError as error:
                self._often.warning("failed", f"{self.venue.name}: what lacks is not to be had now: {error}")
                loop.wait(self._backoff.next())
                continue
            self._backoff.reset()
            if not worked:
                loop.wait(LOOK_SECONDS)

    def step(self, wait: Callable[[float], bool]) -> bool:
        """Asks what is due, each once. False if nothing was.

        Raises:
            TransientError, SlotMissedError: an upstream that does not answer, or a budget that grants nothing now.
        """
        worked = False
        failed: list[TransientError] = []
        if self.clock.monotonic() - self._measured_at > CLOCK_SECONDS:
            self._measure(wait)
            worked = True
        for stream in self.streams:
            with self.lock:
                asks = stream.asks(now_ms=self.now_ms())
            asker = self.ask[stream.feed.name]
            for each in asks:
                worked = True
                try:
                    answer = asker.ask(each.call, self.clock.now_ms() + round(CALL_SECONDS * 1000), wait)
                    with self.lock:
                        stream.answered(each, answer, now_ms=self.now_ms())
                except SlotMissedError:
                    raise
                except ClockError as error:  # says nothing of what was asked for
                    raise TransientError(str(error)) from error
                except TransientError as error:
                    failed.append(error)
                    if len(failed) >= MOST_FAILED:
                        raise
                except OperatorError as error:
                    self._often.warning(each.key, f"{stream.feed.name}: {error}")
                    with self.lock:
                        stream.hopeless(each, str(error), now_ms=self.now_ms())
        if failed:
            raise failed[0]
        return worked

    def _measure(self, wait: Callable[[float], bool]) -> None:
        """Where the upstream's time cannot be had, the last one known counts, at first our own."""
        asker = next(iter(self.ask.values()))
        begun_ms = self.clock.now_ms()
        self._measured_at = self.clock.monotonic() - CLOCK_SECONDS + CLOCK_AGAIN_SECONDS
        try:
            answer = asker.ask(self.venue.time_call(), begun_ms + round(CALL_SECONDS * 1000), wait)
            told_ms = self.venue.time_in(answer)
        except OperatorError as error:
            self._often.warning("time", f"{self.venue.name} does not tell its time: {error}")
            self.offset_ms = self.offset_ms or 0
            return
        self._measured_at = self.clock.monotonic()
        ended_ms = self.clock.now_ms()
        asked_ms = ended_ms - min(round(answer.seconds * 1000), ended_ms - begun_ms)
        self.offset_ms = told_ms - (asked_ms + ended_ms) // 2
        if abs(self.offset_ms) > 500:
            self._often.warning("offset", f"{self.venue.name}'s clock is {self.offset_ms / 1000:+.1f} s from ours")
