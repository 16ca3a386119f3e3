"""Slots and the one spelling of a time: UTC, ISO 8601, milliseconds, ``Z``. Times are epoch milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = {f":{second:02d}.": second * 1000 for second in range(60)}
_MILLISECONDS = {f"{ms:03d}Z": ms for ms in range(1000)}
_NOT_A_TIME = "{!r} is not a UTC time like 2026-11-20T10:00:00.000Z"


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """``1763632800000`` → ``2025-11-20T10:00:00.000Z``."""
    minute, rest = divmod(ms, 60_000)
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
            return minute * 60_000
    raise ValueError(_NOT_A_TIME.format(f"{text}…"))


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    moment = _EPOCH + timedelta(minutes=minute)
    return moment.replace(tzinfo=None).isoformat(timespec="minutes")  # strftime's %Y is not padded


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
            unit = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]
            return now_ms - now_ms % unit - int(found[1]) * unit
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        words = ", nor today, yesterday, 12h or 7d (ago)" if now_ms is not None else ""
        raise ValueError(
            f"{text!r} is neither a date like 2026-11-01 nor a time like 2026-11-01T10:00:00Z{words}"
        ) from error
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round((parsed - _EPOCH) / timedelta(milliseconds=1))


def slot_of(ms: int, interval_ms: int) -> int:
    """The slot that the moment ``ms`` lies in: the last multiple of the interval."""
    return ms - ms % interval_ms
