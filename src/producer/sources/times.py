"""An upstream's own time, however it is written, in the one spelling of the contract; None where unreadable."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from cryptoproxy.common.record import iso
from cryptoproxy.common.record.times import moment_of

_END_OF_TIME_MS = 253_402_300_800_000  # the year 10000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# fromisoformat also takes week dates, bare dates and more; an upstream's time has all of these parts.
_LIKE_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def iso_of_ms(ms: int | None) -> str | None:
    """``1763632800123`` → ``2025-11-20T10:00:00.123Z``. 0 means that there is no time.

    Rows of one answer share a few seconds but few milliseconds, so the cached part is the second.
    """
    if ms is None or not 0 < ms < _END_OF_TIME_MS:
        return None
    fraction = ms % 1000
    return f"{iso(ms - fraction)[:20]}{fraction:03d}Z"


def ms_of_seconds(value: object) -> int | None:
    """Unix seconds with a fraction, as text or number, to whole milliseconds (cut, not rounded)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        ms = Decimal(str(value)) * 1000
        return int(ms) if 0 < ms < _END_OF_TIME_MS else None
    except InvalidOperation:  # not a number; comparing "nan" raises it too
        return None


def iso_of_text(text: str | None) -> str | None:
    """Any usual ISO 8601 spelling: without milliseconds, with more digits, with an offset. Without one it is UTC."""
    if text is None:
        return None
    try:
        moment_of(text)
    except ValueError:
        return _respelled(text)
    return text


@lru_cache(maxsize=4096)
def _respelled(text: str) -> str | None:
    if not _LIKE_ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return iso((moment - _EPOCH) // timedelta(milliseconds=1))
