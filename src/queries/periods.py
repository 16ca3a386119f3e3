"""Times as a person writes them: a period by its begin (``7d``, ``2y``, ``2026-11-01``), an interval (``1d``, ``1mo``).

All in UTC. Months and years are the calendar's: ``1mo`` before 31 March is the last day of February.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span, from_person

_SPAN = re.compile(r"(\d{1,6})(s|m|h|d|w|mo|y)")
_UNIT_MS = {"s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_MONTHS = {"mo": 1, "y": 12}
_WORDS = {"ms": "ms", "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_CALENDAR = {"1w": "week", "1mo": "month", "1y": "year"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPANS = "a span like 90s, 15m, 12h, 7d, 2w, 1mo or 2y"


@dataclass(frozen=True, slots=True)
class Interval:
    """A step of time: a whole number of a unit up to days, or one week, month or year of the calendar."""

    text: str
    ms: int
    """Of a month and a year: the shortest there is."""

    @property
    def fixed(self) -> bool:
        return self.text not in _CALENDAR

    @property
    def words(self) -> str:
        """``day``, ``15 minutes``: as one says it after "each"."""
        found = re.fullmatch(r"(\d+)(\D+)", self.text)
        count, unit = (int(found[1]), _WORDS[found[2]]) if found else (self.ms, "ms")
        return unit if count == 1 else f"{count} {unit}s"

    @property
    def step(self) -> str:
        """``hour``, ``window of 15 minutes``: as one says it in "from one … to the next"."""
        return self.words if self.text[:1] == "1" and not self.text[1:2].isdigit() else f"window of {self.words}"

    def histogram(self, field: str = "timestamp") -> dict[str, Any]:
        """As a ``date_histogram`` takes it. Weeks begin on Monday."""
        if self.fixed:
            return {"field": field, "fixed_interval": f"{self.ms}ms" if self.ms % 1000 else f"{self.ms // 1000}s"}
        return {"field": field, "calendar_interval": _CALENDAR[self.text]}

    def parts(self, period: Span, steps: int, days: Collection[int] | None = None) -> Iterator[Span]:
        """``period`` in parts of so many steps each, those that touch one of ``days`` (all, if None); steps of the
        calendar are long, and are not parted."""
        return period.parts(self.ms * steps, days) if self.fixed else iter((period,))

    def begin_of(self, ms: int) -> int:
        """Where the step begins that a moment lies in: at a multiple of its length since 1970, on Monday, on the first.
        All in UTC, as :meth:`histogram` has it."""
        if self.fixed:
            return ms - ms % self.ms
        if self.text == "1w":
            return ms - (ms + 3 * DAY_MS) % self.ms  # 1970 began on a Thursday
        year, month = (int(part) for part in iso(ms)[:7].split("-"))
        return _of_month(year, month if self.text == "1mo" else 1)

    def end_of(self, begin_ms: int) -> int:
        """Where the step ends that begins there."""
        if self.fixed or self.text == "1w":
            return begin_ms + self.ms
        year, month = (int(part) for part in iso(begin_ms)[:7].split("-"))
        return _of_month(year + 1, 1) if self.text == "1y" or month == 12 else _of_month(year, month + 1)

    def whole_in(self, period: Span) -> Span:
        """The whole steps of a period.

        Raises:
            ValueError: there is none.
        """
        begin = self.begin_of(period.begin_ms)
        begin = begin if begin == period.begin_ms else self.end_of(begin)
        end = self.begin_of(period.end_ms)
        if begin >= end:
            raise ValueError(f"the period has no whole {self.words}; take a longer --since or a shorter --interval")
        return Span(begin, end)

    @classmethod
    def of_ms(cls, ms: int) -> Interval:
        """A fixed one, named in the largest unit that fits."""
        for unit in ("d", "h", "m", "s"):
            if ms % _UNIT_MS[unit] == 0:
                return cls(f"{ms // _UNIT_MS[unit]}{unit}", ms)
        return cls(f"{ms}ms", ms)


def interval(text: str) -> Interval:
    """Raises:
    ValueError: not an interval; several months or years, which the calendar does not divide evenly, are none.
    """
    if text in _CALENDAR:
        return Interval(text, {"1w": 7, "1mo": 28, "1y": 365}[text] * DAY_MS)
    found = _SPAN.fullmatch(text)
    if not found or not int(found[1]) or found[2] in _MONTHS or found[2] == "w":
        raise ValueError(f"{text!r} is no interval: a number of s, m, h or d (15m, 1h, 1d), or 1w, 1mo, 1y")
    return Interval(text, int(found[1]) * _UNIT_MS[found[2]])


def period(since: str, until: str | None = None, *, now_ms: int) -> Span:
    """From ``since`` (a moment, or a span before the end) until ``until`` (a moment; now without).

    Raises:
        ValueError: neither, or the end lies before the begin.
    """
    end = now_ms if until is None else moment(until, now_ms=now_ms)
    if not (found := _SPAN.fullmatch(since)):
        begin = moment(since, now_ms=now_ms)
    else:
        count, unit = int(found[1]), found[2]
        begin = end - count * _UNIT_MS[unit] if unit in _UNIT_MS else _months_before(end, count * _MONTHS[unit])
        if begin < 0:
            raise ValueError(f"{since!r} reaches back before 1970")
    if begin >= end:
        raise ValueError(f"the period ends ({written(end)}) before it begins ({written(begin)})")
    return Span(begin, end)


def ends(period: Span) -> tuple[str, str]:
    """As one says them: in whole minutes, if it is not short."""
    exact = 1000 if period.length_ms < HOUR_MS else MINUTE_MS
    return written(period.begin_ms // exact * exact), written(period.end_ms // exact * exact)


def words_of(period: Span) -> str:
    """``2026-11-01 to 2026-11-02 10:15 UTC``."""
    return f"{' to '.join(ends(period))} UTC"


def moment(text: str, *, now_ms: int | None = None) -> int:
    """``2026-11-01`` or ``2026-11-01T10:00:00Z`` in ms since 1970. UTC, unless it names another offset.

    Raises:
        ValueError: neither of the two, nor a span, which the caller has tried before.
    """
    try:
        return from_person(text, now_ms=now_ms)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is neither {SPANS}, nor a date like 2026-11-01, nor a time like 2026-11-01T10:00:00Z"
        ) from error


def written(ms: int) -> str:
    """The shortest of the three spellings that is exact to the second."""
    text = iso(ms)
    if ms % DAY_MS == 0:
        return text[:10]
    return f"{text[:10]} {text[11:16]}" if ms % MINUTE_MS < 1000 else f"{text[:10]} {text[11:19]}"


def decimal(value: float) -> str:
    """A number that a person gave, as short as it is exact: ``5``, ``1.1``, ``99.99999``."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def age(ms: int) -> str:
    """``3 min``: how long ago, in the unit that a person would say it in."""
    seconds = ms / 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _of_month(year: int, month: int) -> int:
    return round((datetime(year, month, 1, tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))


def _months_before(ms: int, months: int) -> int:
    end = _EPOCH + timedelta(milliseconds=ms)
    number = end.year * 12 + end.month - 1 - months
    year, month = divmod(number, 12)
    if year < 1970:
        return -1
    day = min(end.day, calendar.monthrange(year, month + 1)[1])
    return round((end.replace(year=year, month=month + 1, day=day) - _EPOCH) / timedelta(milliseconds=1))
