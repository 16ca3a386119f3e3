"""Clients that others wrote listen, unchanged but for the address: to the sandbox's WebSockets, and to the door over a road
of processes; what they understand is what the sandbox's REST says. Each has an environment of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from cryptoproxy.sandbox import Sandbox
from cryptoproxy.upstreams.binance.streams.books import BinanceBook, change_of
from tests.integration.conftest import endpoints, make_world
from tests.integration.serve.streamed import Streamed, streamed

__all__ = ["endpoints"]

SCRIPTS = Path(__file__).with_name("stream_clients")
SECONDS = 180
COUNT = 40


@dataclass(frozen=True)
class Told:
    """Where clients listen. ``trades``: the kind of Binance's trades there; ``ids``: of one row of ``aggTrades``."""

    sandbox: Sandbox
    addresses: Callable[..., list[str]]
    trades: str
    ids: Callable[[Any], Any]


def rest(box: Sandbox, upstream: str, path: str, **params: Any) -> Any:
    return requests.get(box.base_url(upstream) + path, params=params, timeout=SECONDS).json()


@pytest.fixture(scope="module")
def road(endpoints: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamed]:
    folder = tmp_path_factory.mktemp("streamed")
    with streamed(make_world(endpoints, folder), folder) as found:
        yield found


@pytest.fixture(scope="module", params=["sandbox", "door"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    if request.param == "sandbox":
        with Sandbox(coins=60) as box:
            yield Told(
                box, lambda *names: [url for name in names for url in (box.base_url(name), box.stream_url(name))],
                "trade", lambda row: range(row["f"], row["l"] + 1),
            )  # fmt: skip
        return
    road: Streamed = request.getfixturevalue("road")

    def addresses(*names: str) -> list[str]:
        return [f"{scheme}{road.door.removeprefix('http')}/{name}" for name in names for scheme in ("http", "ws")]

    yield Told(road.sandbox, addresses, "aggTrade", lambda row: [row["a"]])


def run(script: str, package: str, *addresses: str, **environment: str) -> Any:
    """What the script says, run with this package alone."""
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    command += ["--with", package, "python", str(SCRIPTS / script), *addresses]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def sorted_book(bids: list[float], asks: list[float]) -> bool:
    return bids == sorted(set(bids), reverse=True) and asks == sorted(set(asks)) and bids[0] < asks[0]


def test_python_binance(told: Told) -> None:
    found = run("python_binance.py", "python-binance==1.0.37", *told.addresses("binance"), TRADES=told.trades)
    trades = found["trades"]
    assert [b["a"] - a["a"] for a, b in itertools.pairwise(trades)] == [1] * (len(trades) - 1)
    known = rest(
        told.sandbox, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", fromId=trades[0]["a"], limit=len(trades)
    )
    assert [{name: trade[name] for name in known[0]} for trade in trades] == known
    assert {bar["s"] for bar in found["bars"]} == {"ETHUSDT"}
    assert found["topics"] == [f"btcusdt@{told.trades}", "ethusdt@depth5@100ms"]
    assert float(found["ticker"]) > 0
    assert found["minis"] > 0
    assert len(found["bids"]) == len(found["asks"]) == 20
    assert sorted_book(found["bids"], found["asks"])


def test_pybit(told: Told) -> None:
    found = run("pybit_sockets.py", "pybit==5.17.0", *told.addresses("bybit"))
    rows = [row for message in found["trades"] for row in message["data"]]
    known = rest(told.sandbox, "bybit", "/v5/market/recent-trade", category="linear", symbol="BTCUSDT", limit=1000)
    prices = {row["execId"]: row["price"] for row in known["result"]["list"]}
    both = [row for row in rows if row["i"] in prices]
    assert both, "so new that REST must have some"
    assert all(float(prices[row["i"]]) == float(row["p"]) for row in both)
    assert {bar["data"][0]["interval"] for bar in found["bars"]} == {"1"}
    assert all(float(message["data"]["lastPrice"]) > 0 for message in found["tickers"]), "deltas are merged"
    book = found["books"][-1]["data"]
    bids, asks = ([float(price) for price, _ in book[side]] for side in "ba")  # pybit does not keep them sorted
    assert max(bids) < min(asks)
    assert len(set(bids)) == len(set(asks)) == len(bids) == 50
    assert {row["s"] for message in found["spot"] for row in message["data"]} <= {"BTCUSDT", "ETHUSDT"}


def test_ccxt_pro(told: Told) -> None:
    found = run("ccxt_pro.py", "ccxt==4.5.90", *told.addresses("binance", "bybit"), TRADES=told.trades)
    trades = found["binance"]["trades"]
    known = rest(
        told.sandbox, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", startTime=trades[0]["timestamp"], limit=1000
    )
    prices = {str(number): float(row["p"]) for row in known for number in told.ids(row)}
    assert len({trade["id"] for trade in trades}) == len(trades)
    assert all(prices[trade["id"]] == trade["price"] for trade in trades)
    for each in found.values():
        assert len(each["trades"]) >= 40
        assert sorted_book(*[[level[0] for level in each[side]] for side in ("bids", "asks")])
        [_, opened, high, low, close, volume] = each["bars"][-1]
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0
    minute = {name: each["at"] // 60_000 * 60_000 for name, each in found.items()}
    bars = {
        "binance": rest(
            told.sandbox, "binance", "/api/v3/klines", symbol="BTCUSDT", interval="1m",
            startTime=minute["binance"] - 60_000, endTime=minute["binance"],
        ),
        "bybit": rest(
            told.sandbox, "bybit", "/v5/market/kline", category="linear", symbol="BTCUSDT", interval="1",
            start=minute["bybit"] - 60_000, end=minute["bybit"],
        )["result"]["list"],
    }  # fmt: skip
    for name, around in bars.items():
        assert len(around) == 2
        lows, highs = ([float(bar[column]) for bar in around] for column in (3, 2))
        assert min(lows) <= found[name]["last"] <= max(highs), "as the minute of the ticker has it, or the one before"


def test_cryptofeed_over_tls(tmp_path: Path) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with Sandbox(coins=60, tls=server) as box:
        addresses = box.base_url("binance"), box.stream_url("binance", tls=True)
        found = run("cryptofeed_feed.py", "cryptofeed==2.4.1", *addresses, SSL_CERT_FILE=str(trusted))
        trades = found["trades"]
        known = rest(box, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", fromId=trades[0]["id"], limit=len(trades))
        assert [trade["id"] for trade in trades] == [str(row["a"]) for row in known]
        assert [float(trade["price"]) for trade in trades] == [float(row["p"]) for row in known]
        assert sorted_book(found["book"]["bid"], found["book"]["ask"])


# ---- at the door, by frames


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
