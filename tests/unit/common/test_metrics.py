from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from cryptoproxy.common.metrics import IndexerMetrics, PollerMetrics


def names(registry: CollectorRegistry) -> set[str]:
    return {family.name for family in registry.collect()}


@pytest.mark.parametrize("metrics", [PollerMetrics, IndexerMetrics])
def test_every_metric_is_ours_by_name_and_says_what_it_is(metrics: type[PollerMetrics | IndexerMetrics]) -> None:
    registry = CollectorRegistry()
    made = metrics(registry)
    assert len(names(registry)) == len(vars(made))
    for family in registry.collect():
        assert family.name.startswith("cryptoproxy_")
        assert family.documentation
    generate_latest(registry)


def test_both_processes_fit_into_one_registry() -> None:
    registry = CollectorRegistry()
    PollerMetrics(registry)
    IndexerMetrics(registry)


def test_two_processes_in_one_test_do_not_share_their_numbers() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    PollerMetrics(one).polls.labels("coingecko").inc()
    PollerMetrics(other)
    assert b'polls_total{source="coingecko"} 1.0' in generate_latest(one)
    assert b'polls_total{source="coingecko"}' not in generate_latest(other)
