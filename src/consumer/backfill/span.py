"""The period of an index as a range of slots."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cryptoproxy.common.record import Period, index_name, iso
from cryptoproxy.common.record.times import HOUR_MS, Span, written

__all__ = ["HOUR_MS", "Span", "period_of", "written"]

_PERIOD = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})\Z")


def period_of(index: str, alias: str, period: Period) -> Span | None:
    """The slots that ``index`` holds by its name; None for a name that the indexer gives to no index."""
    if not index.startswith(f"{alias}-") or not (found := _PERIOD.fullmatch(index[len(alias) + 1 :])):
        return None
    try:
        begin = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    # Into the next month from any day of this one, then back to its first.
    end = begin + timedelta(days=1) if period is Period.DAY else (begin + timedelta(days=32)).replace(day=1)
    span = Span(_ms(begin), _ms(end))
    return span if index_name(alias, iso(span.begin_ms), period) == index else None


def _ms(time: datetime) -> int:
    return int(time.timestamp()) * 1000
