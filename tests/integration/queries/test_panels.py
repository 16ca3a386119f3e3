"""The searches of the dashboards, as the benchmark makes them from the definitions, on a real Elasticsearch."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.queries.panels import searches
from kibana.definitions import market, pipeline, volatility
from tests.integration.queries.filled import HOUR, SLOTS, Filled

DASHBOARDS = {
    "market": market.dashboard("coingecko"),
    "volatility": volatility.dashboard("coingecko"),
    "pipeline": pipeline.dashboard(),
}


def buckets(found: dict[str, Any]) -> Any:
    return next(iter(found.values()))["buckets"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_finds_something(filled: Filled, name: str) -> None:
    bodies = dict(searches(DASHBOARDS[name], filled.end_ms - 24 * HOUR, filled.end_ms))
    assert len(bodies) >= 7
    for panel, body in bodies.items():
        assert buckets(filled.client.search(index=filled.alias, **body)["aggregations"]), panel


def test_the_bands_of_the_share_of_time_hold_every_sample_once(filled: Filled) -> None:
    body = dict(searches(DASHBOARDS["volatility"], filled.end_ms - 24 * HOUR, filled.end_ms))["share-of-time"]
    for symbol in buckets(filled.client.search(index=filled.alias, **body)["aggregations"]):
        bands = {name: band["doc_count"] for name, band in symbol["split"]["buckets"].items()}
        assert len(bands) == 4
        assert sum(bands.values()) == symbol["doc_count"], symbol["key"]
        assert symbol["doc_count"] in (SLOTS, 2 * SLOTS)  # USDT is two assets
