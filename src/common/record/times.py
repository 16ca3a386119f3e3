"""Slots and the one spelling of a time: UTC, ISO 8601, milliseconds, ``Z``. Times are epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """``1763632800000`` → ``2025-11-20T10:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


@lru_cache(maxsize=4096)
def from_iso(text: str) -> int:
    """The reverse of :func:`iso`, and nothing but that spelling.

    Raises:
        ValueError: any other spelling, or a moment that does not exist.
    """
    # fromisoformat also takes week dates, commas and offsets; the contract does not.
    if len(text) != 24 or text[10] != "T" or text[19] != "." or text[23] != "Z" or text[5] == "W":
        raise ValueError(f"{text!r} is not a UTC time like 2026-11-20T10:00:00.000Z")
    return round((datetime.fromisoformat(text) - _EPOCH) / timedelta(milliseconds=1))


def slot_of(ms: int, interval_ms: int) -> int:
    """The slot that the moment ``ms`` lies in: the last multiple of the interval."""
    return ms - ms % interval_ms
