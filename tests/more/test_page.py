"""The page in a real browser, over a road that processes have laid: each page opens, and its numbers are the door's.

The sandbox's clock stands still, so that a number is the same when the page asks for it and when the test does. What
flows (a book, trades, an alert) is put into the index, where the page finds it by way of the door.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import ALERT, BOOK, CANDLE, GAP, MARKET, TICKER, TRADE, iso
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.page import words
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import World, endpoints, world
from tests.integration.queries.filled import index_records
from tests.integration.serve.processes import ADDRESS, found_at, running, said
from tests.more.conftest import python_of
from tests.unit.serve.conftest import StandingClock

__all__ = ["endpoints", "world"]

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "browser.txt"
BTC = "binance:BTCUSDT:USDT"


@pytest.fixture(scope="session")
def browser() -> Path:
    """Python of the browser's environment, made anew when its requirements change."""
    return python_of(REQUIREMENTS)


def test_each_page_opens_and_tells_what_the_door_tells(browser: Path, world: World, tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    (port,) = free_ports(1)
    with Sandbox(coins=60, clock=StandingClock(now_ms)) as sandbox:
        world.texts |= {
            **{f"{name.upper()}_BASE_URL": sandbox.base_url(name) for name in ("coingecko", "binance")},
            "SOURCES": "coingecko,coingecko.market,binance",
            "COINGECKO_TOP_N": "50",
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "BINANCE_SYMBOLS": "BTCUSDT,ETHUSDT",
            "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
            "HISTORY": "binance.candle-1h=3d",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "10",
            "SERVE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(tmp_path / "read-through"),
            "PAGE_PORT": str(port),
        }
        world.set_up(TICKER, CANDLE, MARKET, BOOK, TRADE, ALERT, GAP)
        flowing(world, now_ms)
        with running("consume", world, tmp_path), running("produce", world, tmp_path), running("serve", world, tmp_path) as log:  # fmt: skip
            door = said(log, ADDRESS)
            world.texts["PAGE_DOOR"] = door
            chart = f"{door}/v1/chart?assets=BTCUSDT&source=binance&quote=USDT&since=1d&points=360"
            for path in ("prices?source=binance", "latest?source=coingecko", "market?interval=1h&since=7d"):
                wait_until(lambda path=path: found_at(f"{door}/v1/{path}"), what=path)
            wait_until(lambda: found_at(chart) and len(rows(chart)) > 20, what="bars of a day in the index")
            with running("page", world, tmp_path):
                wait_until(lambda: up(port), what="the page")
                found = opened(browser, f"http://127.0.0.1:{port}", tmp_path)
            pages = found["pages"]
            assert found["elsewhere"] == [], "the page asks nobody but the one who serves it"
            for name, page in pages.items():
                assert page["exceptions"] == [], (name, page["text"])
                assert not page["wider"], f"{name} is wider than the screen"

            prices = rows(f"{door}/v1/prices?source=coingecko&sort=market_cap_rank&top=100")
            assert pages["prices"]["metrics"] == [words.price(row["price"]) for row in prices[:4]]
            assert {row["price"] for row in prices[:8]} <= {number(each) for each in pages["prices"]["cells"]}
            pair = rows(f"{door}/v1/prices?source=binance&assets=BTCUSDT")[0]
            head = [words.price(pair[each]) for each in ("price", "high_24h", "low_24h")]
            assert pages["asset"]["metrics"] == [*head, words.large(pair["volume_24h"])]
            assert pages["asset"]["charts"] == 1
            assert pages["clicked"]["path"].startswith("/asset?asset=coingecko")
            assert pages["clicked"]["metrics"][0] == words.price(prices[0]["price"])
            whole = rows(f"{door}/v1/market?since=7d&interval=1h&dominance=btc,eth,usdt,bnb")[-1]
            assert pages["market"]["metrics"][:2] == [
                words.large(whole["market_cap"]),
                words.large(whole["volume_24h"]),
            ]
            assert pages["market"]["charts"] == 3
            best = rows(f"{door}/v1/prices?source=coingecko&sort=-change_24h&top=1")[0]
            assert words.percent(best["change_24h"]) in pages["market"]["text"]
            assert pages["pair"]["metrics"][0] == words.price(BOOK.example.mid)
            assert words.price(BOOK.example.ask_price) in pages["pair"]["text"]
            assert ALERT.example.rule in pages["alerts"]["text"]
            assert "Open: 1" in pages["alerts"]["text"]
            for name in ("binance", "coingecko"):
                assert f"{name}: " in pages["working"]["text"]
            assert pages["phone"]["background"] != pages["prices"]["background"], "dark where people want it dark"


def flowing(world: World, now_ms: int) -> None:
    """A book, a trade and an open alert of now."""
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    now = {"timestamp": iso(now_ms), "fetched_at": iso(now_ms)}
    for dataset, more in ((BOOK, {}), (TRADE, {}), (ALERT, {"since": iso(now_ms), "state": "open"})):
        index_records(client, settings, dataset, [replace(dataset.example, **now, **more)])
    client.close()


def opened(browser: Path, url: str, folder: Path) -> dict[str, Any]:
    looks = [
        {"name": "prices", "path": "", "until": "Choose a row", "tables": 1, "metrics": 4},
        {"name": "clicked", "path": "", "until": "24 h high", "click": 0, "metrics": 4},
        {"name": "asset", "path": f"asset?asset={BTC}", "until": "How often it moved more", "metrics": 4, "charts": 1},
        {"name": "market", "path": "market", "until": "Losers", "metrics": 4, "charts": 3, "tables": 2},
        {"name": "volatility", "path": "volatility", "until": "How many rise"},
        {"name": "pair", "path": "pair", "until": "takers, by the minute", "metrics": 3, "charts": 2},
        {"name": "alerts", "path": "alerts", "until": "All of them"},
        {"name": "working", "path": "working", "until": "Gaps of streams"},
        {
            "name": "phone",
            "path": f"asset?asset={BTC}",
            "until": "How often it moved more",
            "wide": 390,
            "scheme": "dark",
        },
    ]
    driver = [browser, HERE / "browser.py", url, folder, json.dumps(looks)]
    done = subprocess.run(driver, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(url, headers={"X-Max-Age": "999999"}, timeout=60).json()["rows"]
    return found


def number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=60).status_code == 200
    except requests.ConnectionError:
        return False
