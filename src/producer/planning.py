"""How often is polled and within what: budgets, intervals and room, from the settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.producer.budget import Budget, Intervals, demand_of, fit
from cryptoproxy.producer.feeds.slots import PollGrid
from cryptoproxy.producer.gauges import Capacity
from cryptoproxy.producer.statistics import Quota
from cryptoproxy.upstreams import pollings_of, upstreams_of
from cryptoproxy.upstreams.base import Source

log = logging.getLogger(__name__)


def budgets_of(
    settings: Upstreams,
    folder: Path,
    *,
    clock: Clock,
    metrics: PollerMetrics | None = None,
    urgent: threading.Event | None = None,
    share: int = 0,
) -> dict[str, Budget]:
    """A budget for each upstream by its name, polled or not: history may be asked of any.

    Args:
        share: per cent of what is left that may be read through.
    """
    return {
        name: Budget(upstream.limits, folder, clock=clock, urgent=urgent, metrics=metrics, share=share / 100)
        for name, upstream in upstreams_of(settings).items()
    }


def fitting_intervals(settings: Upstreams, sources: Sequence[Source]) -> dict[str, Intervals]:
    """What of the intervals that are set fits into the limits of each upstream of ``sources``, by its name.

    Raises:
        OperatorError: not even one poll a day fits.
    """
    upstreams, pollings = upstreams_of(settings), pollings_of(settings)
    return {
        name: fit(
            [demand_of(source, pollings[source.feed.name]) for source in sources if source.upstream == name],
            upstreams[name].limits,
        )
        for name in dict.fromkeys(source.upstream for source in sources)
    }


def intervals_of(settings: Upstreams, sources: Sequence[Source], budgets: Mapping[str, Budget]) -> dict[str, float]:
    """Seconds between polls by feed: as set, or stretched to what the quotas allow, which is said aloud. The budgets
    keep free what these polls need.

    Raises:
        OperatorError: not even one poll a day fits.
    """
    intervals: dict[str, float] = {}
    for name, fitting in fitting_intervals(settings, sources).items():
        for line in fitting.lines:
            log.warning("%s", line)
        intervals |= fitting.by_source
        budgets[name].reserve(fitting.use)
    return intervals


def grids_of(settings: Upstreams, intervals: Mapping[str, float]) -> dict[str, PollGrid]:
    """The slots of each feed, by its name; none of them is settled yet."""
    return {
        name: PollGrid(round(intervals[name] * 1000), None, round(polling.offset * 1000))
        for name, polling in pollings_of(settings).items()
    }


def capacity_of(sources: Sequence[Source], intervals: Mapping[str, float], max_bytes: int) -> Capacity:
    """How long an outbox of ``max_bytes`` lasts at this plan."""
    return Capacity({source.feed.name: source.expected for source in sources}, intervals, max_bytes)


def quotas_of(budget: Budget) -> dict[str, Quota]:
    """What is used and left of ``budget``, by window."""
    left = budget.left()
    return {
        limit.window: Quota(limit.amount - left[limit.window], left[limit.window]) for limit in budget.limits.limits
    }
