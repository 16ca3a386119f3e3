"""How long a poll takes from the arrival of its answer to Kafka's last acknowledgement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.producer.statistics import Statistics

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
        self._metrics.publish_seconds.labels(entry.source).observe(seconds)
        self._statistics[entry.source].published(seconds)
