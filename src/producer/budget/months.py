"""The calendar month in UTC, by which monthly quotas are counted. For plans a month has 31 days."""

from __future__ import annotations

from datetime import UTC, datetime

PLANNED_MS = 31 * 86_400_000


def label(ms: int) -> str:
    """``2026-11``."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment.year:04d}-{moment.month:02d}"


def begin_ms(ms: int) -> int:
    """When the month of ``ms`` began."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return _ms(moment.year, moment.month)


def end_ms(ms: int) -> int:
    """When the next one begins."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return _ms(moment.year + moment.month // 12, moment.month % 12 + 1)


def even_share(amount: int, now_ms: int) -> int:
    """What of ``amount`` would be used by now, spent evenly. The assumption where the count is lost: a plan that fits
    into the month fits into the rest of it."""
    begin, end = begin_ms(now_ms), end_ms(now_ms)
    return -(-amount * (now_ms - begin) // (end - begin))


def _ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
