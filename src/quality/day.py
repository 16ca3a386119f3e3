"""What a day of one feed comes to, from its records in the order of time. Nothing is held but where each line stands.

What is expected follows from the data: a candle's interval, or the interval that a polled record tells. Of bars each
asset is a line of its own, of polls the whole source is one. A line that was there before the day is expected from the
day's begin on; another from its first record on. What has just become due may still be on its way, and is not missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.datasets import CANDLE, Dataset
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.form import Stored

GRACE_MS = 60_000
"""So long a record may be on its way after it was due."""


@dataclass(slots=True)
class Track:
    """One line on its grid, whose slots are multiples of the interval."""

    next_ms: int
    every_ms: int
    present: int = 0
    missing: int = 0
    gaps: int = 0
    longest_ms: int = 0

    def see(self, at_ms: int, every_ms: int) -> None:
        # The interval was changed somewhere between: nobody can tell when, so the longer one counts.
        self._until(at_ms, max(self.every_ms, every_ms))
        self.present += 1
        self.next_ms, self.every_ms = at_ms + every_ms, every_ms

    def end(self, due_ms: int) -> None:
        """Nothing that begins then or later is due."""
        self._until(due_ms, self.every_ms)

    def _until(self, before_ms: int, every_ms: int) -> None:
        lost = (before_ms - 1) // every_ms - (self.next_ms - 1) // every_ms
        if lost > 0:
            self.missing += lost
            self.gaps += 1
            self.longest_ms = max(self.longest_ms, lost * every_ms)


@dataclass(slots=True)
class Day:
    """Of one source and part of a dataset.

    Args:
        span: the day, up to now if it is not over.
    """

    dataset: Dataset[Any]
    part: str
    span: Span
    records: int = 0
    newest_ms: int | None = None
    assets: set[str] = field(default_factory=set)
    tracks: dict[str, Track] = field(default_factory=dict)
    """By asset, or of the source as a whole."""
    _slot: tuple[int, int | None] = (-1, None)
    """The last one, and the interval that it tells."""

    def before(self, record: Stored) -> None:
        """One of before the day."""
        line, every_ms = self._line(record)
        if every_ms is not None:
            self.tracks.setdefault(line, Track(self.span.begin_ms, every_ms))

    def see(self, record: Stored) -> None:
        """The next of the day, the oldest first, each id once."""
        self.records += 1
        self.newest_ms = record.slot_ms
        self.assets.add(record.id.rpartition(":")[0])
        same = record.slot_ms == self._slot[0]
        line, every_ms = self._line(record)
        if every_ms is None or (not line and same):
            return
        self.tracks.setdefault(line, Track(record.slot_ms, every_ms)).see(record.slot_ms, every_ms)

    def end(self) -> None:
        """No more come."""
        for track in self.tracks.values():
            track.end(self._due(track.every_ms))

    def _due(self, every_ms: int) -> int:
        """A bar is due when it is over, a poll when its slot begins; either after the grace."""
        late = GRACE_MS + (every_ms if self.dataset is CANDLE else 0)
        over = self.span.begin_ms + DAY_MS
        return over if self.over else min(over, self.span.end_ms - late + 1)

    @property
    def over(self) -> bool:
        return self.span.length_ms == DAY_MS

    def _line(self, record: Stored) -> tuple[str, int | None]:
        """Whose grid it is on, and the interval; None where there is none."""
        if self.dataset is CANDLE:
            step = STEPS.get(self.part)
            return record.id.rpartition(":")[0], step if step and DAY_MS % step == 0 else None
        if record.slot_ms != self._slot[0]:
            told = getattr(self.dataset.codec.decode(record.line), "interval_ms", None)
            self._slot = record.slot_ms, told
        return "", self._slot[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """``missing`` of ``expected`` slots or bars; all four None where no interval is known."""

    feed: str
    source: str
    dataset: str
    records: int
    assets: int
    expected: int | None
    missing: int | None
    gaps: int | None
    """Stretches that are missing, of all its lines."""
    longest_gap_ms: int | None
    duplicates: int
    """Copies of an id, beyond the first, among the raw objects."""
    violations: dict[str, int]
    """Dead letters set aside on that day, by reason."""
    unreadable: int
    """Objects and lines of the lake that cannot be used."""
    newest_ms: int | None
    age_ms: int | None
    """Of the newest record at the day's end, or now."""

    @property
    def missing_share(self) -> float | None:
        """A fraction of 1."""
        if self.missing is None or not self.expected:
            return None
        return self.missing / self.expected


def quality(
    day: Day, *, feed: str, source: str, duplicates: int, unreadable: int, violations: dict[str, int]
) -> Quality:
    """Of a day that has ended."""
    tracks = day.tracks.values()
    return Quality(
        feed=feed,
        source=source,
        dataset=day.dataset.name,
        records=day.records,
        assets=len(day.assets),
        expected=sum(each.present + each.missing for each in tracks) if tracks else None,
        missing=sum(each.missing for each in tracks) if tracks else None,
        gaps=sum(each.gaps for each in tracks) if tracks else None,
        longest_gap_ms=max(each.longest_ms for each in tracks) if tracks else None,
        duplicates=duplicates,
        violations=violations,
        unreadable=unreadable,
        newest_ms=day.newest_ms,
        age_ms=None if day.newest_ms is None else day.span.end_ms - day.newest_ms,
    )
