"""A range of slots, its end not in it: as a person writes it, and cut into hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptoproxy.common.record import iso

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MINUTE_MS = 60_000


def written(ms: int) -> str:
    """The shortest spelling that :func:`common.record.times.from_person` reads back."""
    text = iso(ms)
    if ms % DAY_MS == 0:
        return text[:10]
    return f"{text[:16]}Z" if ms % _MINUTE_MS == 0 else text


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Slots in ``[begin_ms, end_ms)``."""

    begin_ms: int
    end_ms: int

    def __str__(self) -> str:
        return f"{written(self.begin_ms)} to {written(self.end_ms)}"

    def __contains__(self, slot_ms: int) -> bool:
        return self.begin_ms <= slot_ms < self.end_ms

    @property
    def empty(self) -> bool:
        return self.begin_ms >= self.end_ms

    def hours(self) -> Iterator[int]:
        """The begins of the hours that it touches."""
        return iter(range(self.begin_ms - self.begin_ms % HOUR_MS, self.end_ms, HOUR_MS))

    def days(self) -> Iterator[int]:
        """The begins of the days that it touches."""
        return iter(range(self.begin_ms - self.begin_ms % DAY_MS, self.end_ms, DAY_MS))

    def cut(self, hour_ms: int) -> Span:
        """What of it lies in the hour that begins at ``hour_ms``."""
        return Span(max(self.begin_ms, hour_ms), min(self.end_ms, hour_ms + HOUR_MS))
