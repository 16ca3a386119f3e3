"""What is polled, how often and within what: sources, budgets, intervals and room, from the settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.producer.budget import Budget, demand_of, fit, limits_of
from cryptoproxy.producer.gauges import Capacity
from cryptoproxy.producer.sources import SOURCES, SourceConfig
from cryptoproxy.producer.sources.base import Source
from cryptoproxy.producer.sources.bybit import Api, NamedSymbols
from cryptoproxy.producer.sources.coingecko_calls import Plan
from cryptoproxy.producer.statistics import Quota

log = logging.getLogger(__name__)


def sources_of(upstreams: Upstreams) -> list[Source]:
    """The sources that SOURCES names, in its order."""
    bybit_symbols = _unless_all(upstreams.bybit_symbols)
    bybit_markets = [name.removeprefix("bybit-") for name in upstreams.sources if name.startswith("bybit-")]
    config = SourceConfig(
        coingecko_base_url=upstreams.coingecko_base_url,
        coingecko_plan=Plan(upstreams.coingecko_plan),
        coingecko_api_key=upstreams.coingecko_api_key.get,
        coingecko_top_n=upstreams.coingecko_top_n,
        coingecko_ids=upstreams.coingecko_ids or (),
        coingecko_quote=upstreams.coingecko_quote,
        binance_base_url=upstreams.binance_base_url,
        binance_symbols=_unless_all(upstreams.binance_symbols),
        bybit_base_url=upstreams.bybit_base_url,
        bybit_symbols=bybit_symbols,
        bybit_names=NamedSymbols(bybit_symbols, bybit_markets),
        bybit_api=Api(upstreams.bybit_api),
    )
    return [SOURCES[name].build(config) for name in upstreams.sources]


def budgets_of(
    upstreams: Upstreams,
    folder: Path,
    *,
    clock: Clock,
    metrics: PollerMetrics | None = None,
    urgent: threading.Event | None = None,
) -> dict[str, Budget]:
    """A budget for each upstream that is polled, by its name."""
    used = {SOURCES[name].upstream for name in upstreams.sources}
    return {
        upstream: Budget(limits, folder, clock=clock, urgent=urgent, metrics=metrics)
        for upstream, limits in limits_of(upstreams).items()
        if upstream in used
    }


def intervals_of(upstreams: Upstreams, sources: list[Source], budgets: Mapping[str, Budget]) -> dict[str, float]:
    """Seconds between polls by source: as set, or stretched to what the quotas allow, which is said aloud. The budgets
    keep free what these polls need.

    Raises:
        OperatorError: not even one poll a day fits.
    """
    intervals: dict[str, float] = {}
    for upstream, budget in budgets.items():
        demands = [
            demand_of(source, upstreams.interval_of(source.name)) for source in sources if source.upstream == upstream
        ]
        fitting = fit(demands, budget.limits)
        for line in fitting.lines:
            log.warning("%s", line)
        intervals |= fitting.by_source
        budget.reserve(fitting.use)
    return intervals


def capacity_of(
    upstreams: Upstreams, sources: list[Source], intervals: Mapping[str, float], max_bytes: int
) -> Capacity:
    """How long an outbox of ``max_bytes`` lasts at this plan."""
    expected = {
        "coingecko": len(upstreams.coingecko_ids or ()) or upstreams.coingecko_top_n,
        "binance": len(_unless_all(upstreams.binance_symbols)),
    }
    bybit = len(_unless_all(upstreams.bybit_symbols))
    return Capacity({source.name: expected.get(source.name, bybit) for source in sources}, intervals, max_bytes)


def quotas_of(budget: Budget) -> dict[str, Quota]:
    """What is used and left of ``budget``, by window."""
    left = budget.left()
    return {
        limit.window: Quota(limit.amount - left[limit.window], left[limit.window]) for limit in budget.limits.limits
    }


def _unless_all(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return () if symbols == ("*",) else symbols
