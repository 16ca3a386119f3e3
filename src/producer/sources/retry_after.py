"""How long the other side asked us to wait, in seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3 * 24 * 3600.0
"""Binance's longest ban. Whoever asks for more has a broken clock or is misread."""

_SECONDS = re.compile(r"\d{1,20}(\.\d{1,9})?", re.ASCII)


def retry_after(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """The header ``retry-after``: seconds, or an HTTP date. None where it is absent or neither of both."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": UTC of an unknown zone
        moment = moment.replace(tzinfo=UTC)
    return wait_until(round(moment.timestamp() * 1000), now_ms=now_ms)


def wait_until(moment_ms: int, *, now_ms: int) -> float:
    """Seconds from now to a moment: 0 if it is over, and never more than the longest ban."""
    return min(max(moment_ms - now_ms, 0) / 1000, LONGEST_WAIT)
