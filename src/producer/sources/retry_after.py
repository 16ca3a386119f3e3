"""How long the other side asked us to wait, in seconds: by its header, or by the end of a ban in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3 * 24 * 3600.0
"""Binance's longest ban. Whoever asks for more has a broken clock or is misread."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_DATE = re.compile(r"[A-Za-z]+, [^,]+", re.ASCII)
_RESET = "x-bapi-limit-reset-timestamp"
_UNIX = re.compile(r"(?<!\d)\d{10,19}(?!\d)", re.ASCII)
_UNIX_BEGIN = 1e9
"""Nobody asks to wait for thirty years: from here on a number is a Unix time."""
_BANNED_UNTIL = re.compile(
    r"banned\s+until(?:\D{0,20}?(?:(?P<number>\d{10,19})|(?P<date>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?))(?!\d)"
    r"|\W{0,20}(?P<http>[a-z]{3}, \d\d? [a-z]{3} \d{4} \d\d:\d\d:\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def retry_after(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """The header ``retry-after``: seconds, an HTTP date, or (some do) a Unix time; or Bybit's own one, a Unix time. Of
    several the longest; None where there is none of these; 0 for a moment that is over."""
    # Two headers of one name arrive joined by a comma, which a date has within itself.
    text = headers.get("retry-after", "")
    parts = [*_DATE.findall(text), *_DATE.sub("", text).split(",")]
    waits = [told for part in parts if (told := _told(part.strip(), now_ms)) is not None]
    waits += [wait_until(ms_of_unix(digits), now_ms=now_ms) for digits in _UNIX.findall(headers.get(_RESET, ""))]
    return max(waits, default=None)


def _told(text: str, now_ms: int) -> float | None:
    if _SECONDS.fullmatch(text):
        seconds = float(text)
        if _UNIX_BEGIN <= seconds < 1e19:
            return wait_until(ms_of_unix(text.partition(".")[0]), now_ms=now_ms)
        return min(seconds, LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000": UTC of an unknown zone
            moment = moment.replace(tzinfo=UTC)
        return wait_until(round(moment.timestamp() * 1000), now_ms=now_ms)
    except (ValueError, OverflowError, TypeError, IndexError):  # no date, one that no calendar has, or beyond its ends
        return None


def ban_told(body: bytes, *, now_ms: int) -> float | None:
    """Seconds until the end of a ban that the words tell (``IP banned until 1660090423228``), in whatever unit; 0 if
    that is over or cannot be read, None if they tell none."""
    text = body.replace(b"\0", b"").decode(errors="replace")  # UTF-16 with its zeros dropped reads like ASCII
    ends = []
    for found in _BANNED_UNTIL.finditer(text):
        if found["number"]:
            ends.append(ms_of_unix(found["number"]))
        elif found["http"]:
            ends.append(now_ms + round((_told(f"{found['http']} GMT", now_ms) or 0) * 1000))
        else:
            moment = _moment(found["date"] or "")
            ends.append(round(moment.timestamp() * 1000) if moment else 0)
    return max((wait_until(end, now_ms=now_ms) for end in ends), default=None)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def ms_of_unix(digits: str) -> int:
    """A Unix time of these years in s, ms, µs or ns, which its length tells, in ms."""
    number = int(digits)
    while number >= 10**14:
        number //= 1000
    return number if number >= 10**11 else number * 1000


def wait_until(moment_ms: int, *, now_ms: int) -> float:
    """Seconds from now to a moment: 0 if it is over, and never more than the longest ban."""
    return min(max(moment_ms - now_ms, 0) / 1000, LONGEST_WAIT)
