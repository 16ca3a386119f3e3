"""Elasticsearch's answers against exact ones: the same records read from the lake and worked out with numpy."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.queries.synthetic import Year
from cryptoproxy.common.clients import elastic
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import raw_object
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.queries import Queries
from tests.integration.conftest import World
from tests.integration.queries.filled import HOUR, Stopped

BEGIN_MS = 1_788_220_800_000
"""2026-09-01: all that follows is in one month."""
PERCENTS = tuple(range(1, 100))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("slots", [420, pytest.param(20_400, marks=pytest.mark.long, id="a million")])
def test_averages_counts_and_percentiles_are_those_of_the_lake(world: World, tmp_path: Path, slots: int) -> None:
    year = Year(BEGIN_MS, BEGIN_MS + slots * 60_000, coins=50)
    store = Store(world.settings.s3)
    _archive(store, year)
    totals = wiring.replay(
        world.settings,
        TICKER,
        Span(year.begin_ms, year.end_ms),
        sources=None,
        topic=None,
        rate=None,
        resume=False,
        progress_dir=tmp_path / "replay",
        console=Console(quiet=True),
    )
    assert totals.written == year.documents
    exact = _from_the_lake(store, year)
    client = elastic.client(world.settings.elasticsearch, timeout=300)
    client.indices.refresh(index=world.settings.elasticsearch.alias)
    queries = Queries(client, index=world.settings.elasticsearch.alias, clock=Stopped(year.end_ms))
    since = "2026-09-01"
    try:
        _averages(queries, exact, since)
        _steps(queries, exact, since)
        for field in ("change_24h", "price"):
            worst = _percentiles(queries, exact, since, field)
            print(f"{year.documents} documents, {field}: percentiles off by {worst:.3f} percentage points of rank")
            assert worst <= 0.5
        _moves(queries, exact, since)
        _volatility(queries, exact, since)
    finally:
        client.close()


def _archive(store: Store, year: Year) -> None:
    """An object an hour, as the lake's names allow: none reaches beyond the hour of its first slot."""
    lines: list[bytes] = []
    first = year.begin_ms
    for slot, poll in year.polls():
        if slot - slot % HOUR != first - first % HOUR:
            _put(store, first, lines)
            lines, first = [], slot
        lines += [line for _, line in poll]
    _put(store, first, lines)


def _put(store: Store, slot_ms: int, lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    key = raw_object(store.settings.prefix, "ticker", "coingecko", slot_ms, hashlib.sha256(text).hexdigest())
    store.put(key, gzip.compress(text, 1))


def _from_the_lake(store: Store, year: Year) -> dict[str, dict[str, Any]]:
    """By asset: arrays of its fields, in the order of time."""
    found: dict[str, dict[str, list[float]]] = {}
    lake = whole_lake(store)
    for each in lake.records("coingecko", Span(year.begin_ms, year.end_ms), refuse):
        record = json.loads(each.line)
        columns = found.setdefault(record["asset_id"], {"price": [], "change_24h": [], "change_1h": []})
        for name, values in columns.items():
            values.append(record[name])
    return {asset: {name: np.array(values) for name, values in columns.items()} for asset, columns in found.items()}


def _averages(queries: Queries, exact: dict[str, Any], since: str) -> None:
    rows = queries.average(since=since).held()
    assert {row.asset.asset_id for row in rows} == exact.keys()
    for row in rows:
        prices = exact[row.asset.asset_id]["price"]
        assert row.count == len(prices)
        assert row.average == pytest.approx(prices.mean(), rel=1e-12)
        assert (row.lowest, row.highest) == (prices.min(), prices.max())


def _steps(queries: Queries, exact: dict[str, Any], since: str) -> None:
    """An hour is 60 slots from the first on."""
    found: dict[str, list[float]] = {}
    for row in queries.average(interval="1h", since=since):
        found.setdefault(row.asset.asset_id, []).append(row.average)
    for asset, averages in found.items():
        prices = exact[asset]["price"]
        assert averages == pytest.approx(prices.reshape(-1, 60).mean(axis=1).tolist(), rel=1e-12)


def _percentiles(queries: Queries, exact: dict[str, Any], since: str, field: str) -> float:
    """How far the worst is off, in percentage points of rank."""
    worst = 0.0
    for row in queries.percentiles(field, percents=PERCENTS, since=since):
        ordered = np.sort(exact[row.asset.asset_id][field])
        assert row.count == len(ordered)
        for percent, value in row.values.items():
            # Equal values share a range of ranks; any rank in it is right.
            low = np.searchsorted(ordered, value, "left") / len(ordered) * 100
            high = np.searchsorted(ordered, value, "right") / len(ordered) * 100
            worst = max(worst, low - percent, percent - high)
    return worst


def _moves(queries: Queries, exact: dict[str, Any], since: str) -> None:
    for row in queries.moves("1h", thresholds=(0.5, 1, 5), since=since):
        changes = exact[row.asset.asset_id]["change_1h"]
        assert row.samples == len(changes)
        for threshold, beyond in row.beyond.items():
            assert beyond.up == int((changes >= threshold).sum())
            assert beyond.down == int((changes <= -threshold).sum())


def _volatility(queries: Queries, exact: dict[str, Any], since: str) -> None:
    rows = queries.volatility("1h", top=50, since=since).held()
    assert [row.deviation for row in rows] == sorted((row.deviation for row in rows), reverse=True)
    assert len(rows) == len(exact)
    for row in rows:
        last = exact[row.asset.asset_id]["price"][59::60]
        returns = (last[1:] / last[:-1] - 1) * 100
        assert row.returns == len(returns)
        assert row.deviation == pytest.approx(returns.std(ddof=1), rel=1e-9)
        assert (row.lowest, row.highest) == pytest.approx((returns.min(), returns.max()))
        assert abs(row.largest) == pytest.approx(np.abs(returns).max())
        assert row.missing == 0
