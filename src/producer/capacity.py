"""How long the outbox lasts when nothing is delivered: estimated from the plan, then from what polls really weigh."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.producer.outbox.files import on_disk

BYTES_PER_RECORD = 480
_WHOLE_MARKET = {"coingecko": 50, "binance": 2_500, "bybit-linear": 700, "bybit-inverse": 60, "bybit-spot": 700}


class Capacity:
    """Bytes per hour by source, at the plan's interval.

    Args:
        records: how many records a poll of each source is expected to have; 0 where that is the whole market.
        intervals: seconds between polls.
    """

    def __init__(self, records: Mapping[str, int], intervals: Mapping[str, float], max_bytes: int) -> None:
        self._intervals = intervals
        self._max_bytes = max_bytes
        self._poll_bytes = {
            source: (count or _WHOLE_MARKET.get(source, 1_000)) * BYTES_PER_RECORD for source, count in records.items()
        }

    def measured(self, source: str, poll_bytes: int) -> None:
        """What a poll of ``source`` weighed."""
        self._poll_bytes[source] = poll_bytes

    def hours(self, used_bytes: int = 0) -> float:
        """How many hours of polls still fit."""
        per_hour = sum(on_disk(size) * 3600 / self._intervals[source] for source, size in self._poll_bytes.items())
        return max(0, self._max_bytes - used_bytes) / per_hour if per_hour else float("inf")


def hours_in_words(hours: float) -> str:
    """``13981`` → ``583 days``: in the unit in which a person plans."""
    return f"{hours:.1f} hours" if hours < 100 else f"{hours / 24:,.0f} days"
