"""Stamps that read like the wall clock and pass like the monotonic one.

Within a run a stamp's age is monotonic time, so a wall clock that is stepped makes nothing older or younger: the
stamps are stepped with it (:meth:`Timeline.follow`). Within one boot of the machine this holds across restarts, too,
since its monotonic clock goes on. Only between machines, and across a boot, the wall clock is believed.

Months are the wall clock's. After a step across a month's end nobody can say which of the two it is (a step may mend
the clock or break it), so for an hour both must have room and both are counted. A clock that is off for longer stops
the poller for another reason: the upstream's `Date`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.producer.budget import months

STEP_MS = 1000
"""Steps are followed in whole multiples of this, which each bucket divides; less is no step."""

DOUBT_SECONDS = 3600.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """A look at the clock: now, the months that now may be in, and until when these are the ones."""

    now_ms: int
    months: tuple[str, ...]
    months_until_ms: int


class Timeline:
    """``zero_ms`` is the stamp at which the monotonic clock was 0; that of an earlier run of the same boot goes on."""

    def __init__(self, clock: Clock, *, zero_ms: int | None = None) -> None:
        self._clock = clock
        self.zero_ms = clock.now_ms() - round(clock.monotonic() * 1000) if zero_ms is None else zero_ms
        self._doubt_ms = 0
        self._doubt_ends = 0.0

    def now_ms(self) -> int:
        return self.zero_ms + round(self._clock.monotonic() * 1000)

    def follow(self) -> int:
        """Goes after the wall clock if that was stepped; by how many ms, which older stamps must be moved by, too."""
        now = self._clock.monotonic()
        if self._doubt_ms and now >= self._doubt_ends:
            self._doubt_ms = 0
        step_ms = int((self._clock.now_ms() - self.now_ms()) / STEP_MS) * STEP_MS
        if step_ms:
            if not self._doubt_ms:
                self._doubt_ends = now + DOUBT_SECONDS
            self._doubt_ms += step_ms
            self.zero_ms += step_ms
        return step_ms

    def moment(self) -> Moment:
        now_ms = self.now_ms()
        month, until_ms = months.label(now_ms), months.end_ms(now_ms)
        if not self._doubt_ms:
            return Moment(now_ms, (month,), until_ms)
        other = months.label(now_ms - self._doubt_ms)
        if other == month:
            return Moment(now_ms, (month,), until_ms)
        doubt_left_ms = int((self._doubt_ends - self._clock.monotonic()) * 1000) + 1
        return Moment(now_ms, (month, other), min(until_ms, now_ms + doubt_left_ms))


def boot_id() -> str:
    """Of this boot of the machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
