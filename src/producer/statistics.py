"""What one feed has done: a line each so many polls and at the end; each row that is no record, once; and how long
its polls take from the arrival of their answer to Kafka's last acknowledgement.
"""

from __future__ import annotations

import logging
import statistics
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.upstreams.base import Rejected

log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_QUIET = frozenset({"halted"})
"""Half of an exchange's list: no news."""


class Quota(NamedTuple):
    """Of one window of an upstream's budget, in the upstream's own unit."""

    used: int
    left: int


class Statistics:
    """Totals since the start; durations of the last ten thousand polls. Used by its feed's thread alone, but for
    :meth:`published`, which only appends."""

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

    def report(self, *, calls: int, quotas: Mapping[str, Quota]) -> None:
        """The line.

        Args:
            calls: requests sent for this source, those that failed too.
            quotas: of its upstream, by window.
        """
        budget = ", ".join(f"{each.used} used and {each.left} left per {name}" for name, each in quotas.items())
        log.info(
            "%s so far: %d polls, %d records, %d slots missed, rows rejected: %s, %.1f MB received, "
            "%d calls, budget: %s, fetch %s, publish %s",
            self.source, self.polls, self.records, self.missed, counted(self.rejected), self.bytes / 1e6,
            calls, budget or "no limit", _spread(self._fetch), _spread(self._publish),
        )  # fmt: skip


class RejectedLog:
    """Says which row of ``source`` is no record and why: each asset once for each reason.

    Args:
        most: lines; what is above is only in the counts.
    """

    def __init__(self, source: str, *, most: int = _REMEMBERED) -> None:
        self._source = source
        self._most = most
        self._said: set[tuple[str, str]] = set()

    def say(self, rejected: Iterable[Rejected]) -> None:
        for row in rejected:
            if (row.asset_id, row.reason) not in self._said and len(self._said) < self._most:
                self._said.add((row.asset_id, row.reason))
                log.log(
                    logging.DEBUG if row.reason in _QUIET else logging.WARNING,
                    "%s: %s is no record (%s): %s",
                    self._source, row.asset_id or "a row", row.reason, row.detail,
                )  # fmt: skip


def counted(rejected: Mapping[str, int]) -> str:
    """``3 halted, 1 no_price``."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items())) or "none"


def _spread(seconds: deque[float]) -> str:
    values = sorted(seconds.copy())
    if not values:
        return "-"
    p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"mean {statistics.fmean(values):.3f} s p99 {p99:.3f} s"


_REMEMBERED = 10_000


class Timings:
    """Remembers when a poll arrived until it is published. Polls of an earlier run have no arrival and no time."""

    def __init__(
        self, statistics: Mapping[str, Statistics], metrics: PollerMetrics, monotonic: Callable[[], float]
    ) -> None:
        self._statistics = statistics
        self._metrics = metrics
        self._monotonic = monotonic
        self._arrived: dict[Entry, float] = {}
        self._lock = threading.Lock()

    def arrived(self, entry: Entry, when: float) -> None:
        """``entry`` was kept; its answer had arrived at ``when`` (monotonic seconds)."""
        with self._lock:
            self._arrived[entry] = when
            if len(self._arrived) > _REMEMBERED:
                # The oldest: it may be one that is not kept for Kafka and never published.
                del self._arrived[next(iter(self._arrived))]

    def published(self, entry: Entry) -> None:
        """Every record of ``entry`` is acknowledged."""
        with self._lock:
            arrived = self._arrived.pop(entry, None)
        if arrived is None:
            return
        seconds = self._monotonic() - arrived
        self._metrics.publish_seconds.labels(entry.feed.name).observe(seconds)
        self._statistics[entry.feed.name].published(seconds)
