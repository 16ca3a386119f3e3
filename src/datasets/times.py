"""Slots, spans of them, and the one spelling of a time: UTC, ISO 8601, milliseconds, ``Z``. Times are epoch
milliseconds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS = 253_370_764_800_000
"""The begin of the last year that can be written."""
Noted = Annotated[int, Meta(ge=0, lt=_END_MS)]
"""A time in a note that anybody may have written: one of another year is refused with the note."""
_SECONDS = {f":{second:02d}.": second * 1000 for second in range(60)}
_MILLISECONDS = {f"{ms:03d}Z": ms for ms in range(1000)}
_NOT_A_TIME = "{!r} is not a UTC time like 2026-11-20T10:00:00.000Z"


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """``1763632800000`` → ``2025-11-20T10:00:00.000Z``."""
    minute, rest = divmod(ms, MINUTE_MS)
    return f"{_minute_text(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=4096)
def from_iso(text: str) -> int:
    """The reverse of :func:`iso`, and nothing but that spelling. For slots, which many records share.

    Raises:
        ValueError: any other spelling, or a moment that does not exist.
    """
    return moment_of(text)


def moment_of(text: str) -> int:
    """The same for times that differ from record to record: only their minute is remembered.

    Raises:
        ValueError: as :func:`from_iso`.
    """
    try:
        within = _SECONDS[text[16:20]] + _MILLISECONDS[text[20:]]
    except KeyError:
        raise ValueError(_NOT_A_TIME.format(text)) from None
    return _minute(text[:16]) + within


@lru_cache(maxsize=4096)
def _minute(text: str) -> int:
    # fromisoformat also takes week dates, commas, offsets and, by version, an hour 24; the contract does not.
    if text[10] == "T":
        minute = (datetime.fromisoformat(f"{text}Z") - _EPOCH) // timedelta(minutes=1)
        if _minute_text(minute) == text:
            return minute * MINUTE_MS
    raise ValueError(_NOT_A_TIME.format(f"{text}…"))


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    moment = _EPOCH + timedelta(minutes=minute)
    return moment.replace(tzinfo=None).isoformat(timespec="minutes")  # strftime's %Y is not padded


def noted(text: bytes) -> int | None:
    """A time as our notes on topics have it, in digits alone; None where they hold no time of a year that is ours to
    write. Anybody may write to a topic."""
    ms = int(text) if text.isdigit() and len(text) < 16 else 0
    return ms if 0 < ms < _END_MS else None


def from_person(text: str, *, now_ms: int | None = None) -> int:
    """A date or a time as a person writes it: ``2026-11-01``, ``2026-11-01T10:00:00Z``. UTC, unless it names another
    offset.

    Args:
        now_ms: reads ``now``, ``today``, ``yesterday`` as well, and spans before now: ``12h`` is the begin of the hour
            twelve hours ago, ``7d`` of the day seven days ago.

    Raises:
        ValueError: none of these.
    """
    if now_ms is not None:
        if text == "now":
            return now_ms
        if found := re.fullmatch(r"(\d{1,5})([mhd])", {"today": "0d", "yesterday": "1d"}.get(text, text), re.ASCII):
            unit = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}[found[2]]
            return now_ms - now_ms % unit - int(found[1]) * unit
    parsed = _parsed(text)
    if parsed is None or not 1 < parsed.year < 9999:  # whoever adds a step to it shall have a year to write, too
        words = ", nor today, yesterday, 12h or 7d (ago)" if now_ms is not None else ""
        raise ValueError(f"{text!r} is neither a date like 2026-11-01 nor a time like 2026-11-01T10:00:00Z{words}")
    return round((parsed - _EPOCH) / timedelta(milliseconds=1))


def _parsed(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # by its offset it may be before the first year
        return None


def written(ms: int) -> str:
    """The shortest spelling that :func:`from_person` reads back."""
    text = iso(ms)
    if ms % DAY_MS == 0:
        return text[:10]
    return f"{text[:16]}Z" if ms % MINUTE_MS == 0 else text


def slot_of(ms: int, interval_ms: int, offset_ms: int = 0) -> int:
    """The slot that the moment ``ms`` lies in: the last multiple of the interval, or so much after a multiple."""
    return ms - (ms - offset_ms) % interval_ms


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

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.begin_ms

    def begins(self, step_ms: int) -> Iterator[int]:
        """The begins of the steps that it touches; a step begins at each multiple of its length since 1970."""
        return iter(range(slot_of(self.begin_ms, step_ms), self.end_ms, step_ms))

    def hours(self) -> Iterator[int]:
        """The begins of the hours that it touches."""
        return self.begins(HOUR_MS)

    def touches(self, other: Span) -> bool:
        return self.begin_ms < other.end_ms and other.begin_ms < self.end_ms

    def cut(self, begin_ms: int, length_ms: int = HOUR_MS) -> Span:
        """What of it lies in the hour, or other step, that begins there; empty where nothing does."""
        return Span(max(self.begin_ms, begin_ms), min(self.end_ms, begin_ms + length_ms))

    def parts(self, step_ms: int, days: Collection[int] | None = None) -> Iterator[Span]:
        """Cut into steps; first and last may be shorter.

        Args:
            days: begins of days: only the steps that touch one of them.
        """
        begins: Iterable[int] = self.begins(step_ms)
        if days is not None:
            begins = dict.fromkeys(begin for day in sorted(days) for begin in self.cut(day, DAY_MS).begins(step_ms))
        return (self.cut(begin, step_ms) for begin in begins)
