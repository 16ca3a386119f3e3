"""Clients that others wrote listen to the door, unchanged but for the address: what they understand is what the
sandbox's REST says. The road is laid by processes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cryptoproxy.upstreams.binance.books import BinanceBook, change_of
from tests.integration.conftest import endpoints, make_world
from tests.integration.serve.streamed import Streamed, streamed
from tests.more.test_stream_clients import SECONDS, run, sorted_book

__all__ = ["endpoints"]

COUNT = 40


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


def heard(socket: Any) -> Any:
    return json.loads(socket.recv(timeout=120))


def test_trades_are_whole(road: Streamed) -> None:
    with road.ws("/binance/ws/btcusdt@aggTrade") as socket:
        told = [heard(socket) for _ in range(COUNT)]
    numbers = [each["a"] for each in told]
    assert numbers == list(range(numbers[0], numbers[0] + COUNT))
    params = {"symbol": "BTCUSDT", "fromId": str(numbers[0]), "limit": str(COUNT)}
    theirs = requests.get(f"{road.sandbox.base_url('binance')}/api/v3/aggTrades", params=params, timeout=60).json()
    assert [{name: each[name] for name in theirs[0]} for each in told] == theirs


def test_a_book_joins_on_to_its_snapshot(road: Streamed) -> None:
    """By Binance's own rule, as the poller keeps it."""
    book = BinanceBook()
    with road.ws("/binance/ws/btcusdt@depth@100ms") as socket:
        book.take(change_of(socket.recv(timeout=120).encode()))
        answer = requests.get(f"{road.door}/binance/api/v3/depth?symbol=BTCUSDT&limit=1000", timeout=60)
        assert answer.headers["X-Data-Source"] == "road/binance"
        for _ in range(COUNT):
            book.take(change_of(socket.recv(timeout=120).encode()))
        assert book.load(answer.content, 1000)
        for _ in range(COUNT):
            book.take(change_of(socket.recv(timeout=120).encode()))
    assert book.proven


def test_open_bars_and_books_come_as_they_were_told(road: Streamed) -> None:
    with road.ws("/binance/ws/btcusdt@kline_1m") as socket:
        told = [heard(socket)["k"] for _ in range(3)]
    assert {each["s"] for each in told} == {"BTCUSDT"}
    assert all(each["L"] > 0 for each in told), "as it came"
    with road.ws("/bybit/v5/public/linear") as socket:
        socket.send(json.dumps({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]}))
        said = [heard(socket) for _ in range(12)]
    told = [each for each in said if "topic" in each]
    assert told[0]["type"] == "snapshot"
    assert {each["type"] for each in told[1:]} <= {"delta", "snapshot"}
    updates = [each["data"]["u"] for each in told]
    assert updates == list(range(updates[0], updates[0] + len(updates)))


def test_who_comes_back_hears_what_came_meanwhile(road: Streamed) -> None:
    """What came while nobody listened comes first, and nothing twice."""
    address = "/v1/stream?dataset=trade&source=binance&asset=BTCUSDT"
    with road.ws(address) as socket:
        first = [heard(socket) for _ in range(5)]
    with road.ws(f"{address}&last_id={first[-1]['id']}") as socket:
        second = [heard(socket) for _ in range(COUNT)]
    numbers = [int(each["record"]["trade_id"].partition("-")[0]) for each in (*first, *second)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
