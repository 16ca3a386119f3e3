"""Clients that others wrote listen to the door, unchanged but for the address: what they understand is what the
sandbox's REST says. The road is laid by processes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integration.conftest import endpoints, make_world
from tests.integration.serve.streamed import Streamed, streamed
from tests.more.test_stream_clients import SECONDS, run, sorted_book

__all__ = ["endpoints"]


@pytest.fixture(scope="module")
def road(endpoints: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamed]:
    folder = tmp_path_factory.mktemp("streamed")
    with streamed(make_world(endpoints, folder), folder) as found:
        yield found


def addresses(road: Streamed, *names: str) -> list[str]:
    return [f"{scheme}{road.door.removeprefix('http')}/{name}" for name in names for scheme in ("http", "ws")]


def rest(road: Streamed, upstream: str, path: str, **params: Any) -> Any:
    return requests.get(road.sandbox.base_url(upstream) + path, params=params, timeout=SECONDS).json()


def test_python_binance(road: Streamed) -> None:
    found = run("python_binance.py", "python-binance==1.0.37", *addresses(road, "binance"), TRADES="aggTrade")
    trades = found["trades"]
    assert [b["a"] - a["a"] for a, b in itertools.pairwise(trades)] == [1] * (len(trades) - 1)
    known = rest(road, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", fromId=trades[0]["a"], limit=len(trades))
    assert [{name: trade[name] for name in known[0]} for trade in trades] == known
    assert {bar["s"] for bar in found["bars"]} == {"ETHUSDT"}
    assert found["topics"] == ["btcusdt@aggTrade", "ethusdt@depth5@100ms"]
    assert float(found["ticker"]) > 0
    assert found["minis"] > 0
    assert len(found["bids"]) == len(found["asks"]) == 20
    assert sorted_book(found["bids"], found["asks"])


def test_pybit(road: Streamed) -> None:
    found = run("pybit_sockets.py", "pybit==5.17.0", *addresses(road, "bybit"))
    told = [row for message in found["trades"] for row in message["data"]]
    known = rest(road, "bybit", "/v5/market/recent-trade", category="linear", symbol="BTCUSDT", limit=1000)
    prices = {row["execId"]: row["price"] for row in known["result"]["list"]}
    both = [row for row in told if row["i"] in prices]
    assert both, "so new that REST must have some"
    assert all(float(prices[row["i"]]) == float(row["p"]) for row in both)
    assert {bar["data"][0]["interval"] for bar in found["bars"]} == {"1"}
    assert all(float(message["data"]["lastPrice"]) > 0 for message in found["tickers"])
    book = found["books"][-1]["data"]
    bids, asks = ([float(price) for price, _ in book[side]] for side in "ba")  # pybit does not keep them sorted
    assert max(bids) < min(asks)
    assert len(set(bids)) == len(set(asks)) == len(bids) == 50
    assert {row["s"] for message in found["spot"] for row in message["data"]} <= {"BTCUSDT", "ETHUSDT"}


def test_ccxt_pro(road: Streamed) -> None:
    found = run("ccxt_pro.py", "ccxt==4.5.90", *addresses(road, "binance", "bybit"), TRADES="aggTrade")
    trades = found["binance"]["trades"]
    known = rest(road, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", startTime=trades[0]["timestamp"], limit=1000)
    prices = {str(row["a"]): float(row["p"]) for row in known}
    assert len({trade["id"] for trade in trades}) == len(trades)
    assert all(prices[trade["id"]] == trade["price"] for trade in trades)
    for each in found.values():
        assert len(each["trades"]) >= 40
        assert sorted_book(*[[level[0] for level in each[side]] for side in ("bids", "asks")])
        [_, opened, high, low, close, volume] = each["bars"][-1]
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0
