"""Numbers and times as upstreams write them, and what follows exactly from them.

Times come in ms, in seconds or as ISO 8601, numbers as JSON numbers or as text; what cannot be read is None. A decoder
with ``strict=False`` turns number text into the nearest double in C, but it also takes ``"nan"`` and
``"inf"``, which a record cannot hold: the bounds in the types below refuse exactly those.
"""

from __future__ import annotations

import math
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, TypeAlias

from msgspec import Meta

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import moment_of

Number: TypeAlias = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)] | None
"""A finite double, or None where the upstream gave none that can be read."""

Whole: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)] | None
"""A count or time in ms; bounded, since a longer one has no place in an index."""

Rank: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)] | None
"""A place in a list: the index has 32 bits for it."""


_EXACT = Context(prec=700)
"""More digits than any difference of two doubles in their shortest texts has."""
_UNIT = 1e8
_SQUARE = 10**16
_BELOW = 1e7
"""A number below ten million with at most 8 decimals has at most 15 digits, and such decimals are doubles one to one.
Counted in units of 1e-8 it is a whole number below 2**53: sums are exact, the one division is rounded once. That is
what ``decimal`` gives, at a fifth of its time. Any other number goes the long way."""


def percent(fraction: float | None) -> float | None:
    """A fraction as percent: 0.0124 is 1.24, where ``0.0124 * 100`` would be 1.2399999999999998.

    The decimal point moves in the number's shortest text, so no digit is made up.
    """
    if fraction is None:
        return None
    if -_BELOW < fraction < _BELOW and (units := round(fraction * _UNIT)) / _UNIT == fraction:
        return units / (_UNIT / 100)
    text = repr(fraction)
    return _finite(float(Decimal(text).scaleb(2)) if "e" in text else float(text + "e2"))


def difference(now: float, before: float | None) -> float | None:
    """``now - before`` in decimal: 0.3 - 0.1 is 0.2. None where ``before`` is unknown or 0, which means the same."""
    if not before:
        return None
    if (
        -_BELOW < now < _BELOW
        and -_BELOW < before < _BELOW
        and (units := round(now * _UNIT)) / _UNIT == now
        and (units_before := round(before * _UNIT)) / _UNIT == before
    ):
        return (units - units_before) / _UNIT
    return _finite(float(_EXACT.subtract(Decimal(repr(now)), Decimal(repr(before)))))


def product(one: float, other: float) -> float:
    """``one * other`` in decimal: a price times a volume, without digits that a binary product makes up."""
    if -_BELOW < one < _BELOW and -_BELOW < other < _BELOW:
        units, others = round(one * _UNIT), round(other * _UNIT)
        if units / _UNIT == one and others / _UNIT == other:
            return units * others / _SQUARE
    return float(_EXACT.multiply(Decimal(repr(one)), Decimal(repr(other))))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


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
