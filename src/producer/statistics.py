"""What one source has done: a line each so many polls and at the end."""

from __future__ import annotations

import logging
import statistics
from collections import Counter, deque
from collections.abc import Mapping

log = logging.getLogger(__name__)

_REMEMBERED = 10_000


class Statistics:
    """Totals since the start; durations of the last ten thousand polls. Used under the lock of its source's thread,
    but for :meth:`published`, which only appends."""

    def __init__(self, source: str, every: int) -> None:
        self.source = source
        self._every = every
        self.polls = 0
        self.records = 0
        self.bytes = 0
        self.missed = 0
        self.rejected: Counter[str] = Counter()
        self._fetch: deque[float] = deque(maxlen=_REMEMBERED)
        self._publish: deque[float] = deque(maxlen=_REMEMBERED)

    def polled(self, records: int, response_bytes: int, seconds: float, rejected: Mapping[str, int]) -> bool:
        """A poll was kept; True when a line is due."""
        self.polls += 1
        self.records += records
        self.bytes += response_bytes
        self.rejected.update(rejected)
        self._fetch.append(seconds)
        return self.polls % self._every == 0

    def published(self, seconds: float) -> None:
        """All records of a poll are acknowledged, so long after its answer had arrived."""
        self._publish.append(seconds)

    def report(self, calls_left: Mapping[str, int]) -> None:
        """The line."""
        rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none"
        left = ", ".join(f"{count} per {window}" for window, count in calls_left.items()) or "no quota"
        log.info(
            "%s so far: %d polls, %d records, %d slots missed, rows rejected: %s, %.1f MB received, "
            "budget left: %s, fetch %s, publish %s",
            self.source, self.polls, self.records, self.missed, rejected, self.bytes / 1e6, left,
            _spread(self._fetch), _spread(self._publish),
        )  # fmt: skip


def _spread(seconds: deque[float]) -> str:
    values = sorted(seconds)
    if not values:
        return "-"
    p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"mean {statistics.fmean(values):.3f} s p99 {p99:.3f} s"
