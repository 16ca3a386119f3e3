"""Clients that others wrote connect to the sandbox's WebSockets and understand them, each in an environment of its own."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from cryptoproxy.sandbox import Sandbox

SCRIPTS = Path(__file__).with_name("stream_clients")
SECONDS = 180


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(coins=60) as sandbox:
        yield sandbox


def run(script: str, package: str, *addresses: str, **environment: str) -> Any:
    """What the script says, run with this package alone."""
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    command += ["--with", package, "python", str(SCRIPTS / script), *addresses]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def rest(box: Sandbox, upstream: str, path: str, **params: Any) -> Any:
    return requests.get(box.base_url(upstream) + path, params=params, timeout=SECONDS).json()


def sorted_book(bids: list[float], asks: list[float]) -> bool:
    return bids == sorted(set(bids), reverse=True) and asks == sorted(set(asks)) and bids[0] < asks[0]


def test_python_binance(box: Sandbox) -> None:
    found = run("python_binance.py", "python-binance==1.0.37", box.base_url("binance"), box.stream_url("binance"))
    trades = found["trades"]
    assert [b["a"] - a["a"] for a, b in itertools.pairwise(trades)] == [1] * (len(trades) - 1)
    known = rest(box, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", fromId=trades[0]["a"], limit=len(trades))
    assert [{k: trade[k] for k in known[0]} for trade in trades] == known
    assert {bar["s"] for bar in found["bars"]} == {"ETHUSDT"}
    assert found["topics"] == ["btcusdt@trade", "ethusdt@depth5@100ms"]
    assert float(found["ticker"]) > 0
    assert found["minis"] > 0
    assert len(found["bids"]) == len(found["asks"]) == 20
    assert sorted_book(found["bids"], found["asks"])


def test_pybit(box: Sandbox) -> None:
    found = run("pybit_sockets.py", "pybit==5.17.0", box.base_url("bybit"), box.stream_url("bybit"))
    told = [row for message in found["trades"] for row in message["data"]]
    known = rest(box, "bybit", "/v5/market/recent-trade", category="linear", symbol="BTCUSDT", limit=1000)
    prices = {row["execId"]: row["price"] for row in known["result"]["list"]}
    assert told[-1]["i"] in prices, "so new that REST must have it"
    assert all(prices[row["i"]] == row["p"] for row in told if row["i"] in prices)
    assert {bar["data"][0]["interval"] for bar in found["bars"]} == {"1"}
    assert all(float(message["data"]["lastPrice"]) > 0 for message in found["tickers"]), "deltas are merged"
    book = found["books"][-1]["data"]
    bids, asks = ([float(price) for price, _ in book[side]] for side in "ba")  # pybit does not keep them sorted
    assert max(bids) < min(asks)
    assert len(set(bids)) == len(set(asks)) == len(bids) == 50
    assert {row["s"] for message in found["spot"] for row in message["data"]} <= {"BTCUSDT", "ETHUSDT"}


def test_ccxt_pro(box: Sandbox) -> None:
    addresses = [address for name in ("binance", "bybit") for address in (box.base_url(name), box.stream_url(name))]
    found = run("ccxt_pro.py", "ccxt==4.5.90", *addresses)
    trades = found["binance"]["trades"]
    known = rest(box, "binance", "/api/v3/aggTrades", symbol="BTCUSDT", startTime=trades[0]["timestamp"], limit=1000)
    prices = {str(number): float(row["p"]) for row in known for number in range(row["f"], row["l"] + 1)}
    assert len({trade["id"] for trade in trades}) == len(trades)
    assert all(prices[trade["id"]] == trade["price"] for trade in trades)
    for each in found.values():
        assert len(each["trades"]) >= 40
        assert sorted_book(*[[level[0] for level in each[side]] for side in ("bids", "asks")])
        [_, opened, high, low, close, volume] = each["bars"][-1]
        assert low <= min(opened, close, each["last"] * 1.01) <= high * 1.01
        assert volume > 0


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
