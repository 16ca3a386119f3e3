"""Slots and the one spelling of a time: UTC, ISO 8601, milliseconds, ``Z``. Times are epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_A_TIME = "{!r} is not a UTC time like 2026-11-20T10:00:00.000Z"


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """``1763632800000`` → ``2025-11-20T10:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"  # strftime's %Y is not padded


@lru_cache(maxsize=4096)
def from_iso(text: str) -> int:
    """The reverse of :func:`iso`, and nothing but that spelling. For slots, which many records share.

    Raises:
        ValueError: any other spelling, or a moment that does not exist.
    """
    return moment_of(text)


def moment_of(text: str) -> int:
    """The same for times that differ from record to record: only their second is remembered.

    Raises:
        ValueError: as :func:`from_iso`.
    """
    fraction = text[20:23]
    if len(text) == 24 and text[19] == "." and text[23] == "Z" and fraction.isdecimal() and fraction.isascii():
        return _second(text[:19]) + int(fraction)
    raise ValueError(_NOT_A_TIME.format(text))


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    # fromisoformat also takes week dates, commas, offsets and, by version, an hour 24; the contract does not.
    if text[10] == "T":
        ms = round((datetime.fromisoformat(f"{text}Z") - _EPOCH) / timedelta(milliseconds=1))
        if iso(ms)[:19] == text:
            return ms
    raise ValueError(_NOT_A_TIME.format(f"{text}…"))


def slot_of(ms: int, interval_ms: int) -> int:
    """The slot that the moment ``ms`` lies in: the last multiple of the interval."""
    return ms - ms % interval_ms
