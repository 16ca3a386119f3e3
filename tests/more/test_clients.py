"""Clients that nobody here wrote, unchanged but for their base URL: what they get at the door is what they get at the
sandbox, field by field, at a moment at which the clock stands still.

They run in an environment of their own (tests/more/clients.txt), which uv makes beside ours.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.sandbox import Rule, Sandbox, StandInLimits
from tests.conftest import wait_until
from tests.integration.conftest import World, endpoints, world
from tests.integration.serve.processes import ADDRESS, found_at, running, said
from tests.more.conftest import python_of
from tests.unit.serve.conftest import NOW_MS, POLLED, Road, StandingClock
from tests.unit.serve.streaming import told_books, told_trades

__all__ = ["endpoints", "world"]

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "clients.txt"
HOUR = NOW_MS - NOW_MS % HOUR_MS
LEAST_FROM_THE_ROAD = 0.8
"""Of all calls that are compared; what is read through proves nothing."""
LEAST_FROM_ITS_FIRST_MINUTES = 0.57
"""What is polled each ten minutes is not there yet, and nothing is streamed."""


@pytest.fixture(scope="session")
def python() -> Path:
    """Of the clients' environment, made anew when its requirements change."""
    return python_of(REQUIREMENTS)


def test_every_client_gets_at_the_door_what_its_upstream_answers(python: Path) -> None:
    clock = StandingClock()
    with Sandbox(coins=60, clock=clock) as sandbox:
        road = Road.made(sandbox, clock, through=True, COINGECKO_CANDLE_IDS="bitcoin")
        road.poll()
        for feed in ("coingecko.candle-4h", "coingecko.market"):
            road.keep(feed)
        road.walk("binance.candle-1h", "BTCUSDT", HOUR - 48 * HOUR_MS)
        road.walk("bybit-linear.candle-1h", "BTCUSDT", HOUR - 48 * HOUR_MS)
        road.walk("coingecko", "bitcoin", NOW_MS - 121 * DAY_MS)
        road.start()
        road.station.take(told_trades(road))
        road.station.take_live(told_books(road))
        try:
            ours = asked(python, f"{road.url}/coingecko/api/v3", f"{road.url}/binance", f"{road.url}/bybit")
            theirs = asked(python, *(sandbox.base_url(each) for each in ("coingecko", "binance", "bybit")))
        finally:
            road.stop()
    compared(ours, theirs)


def test_every_client_gets_the_same_of_the_road_that_processes_have_laid(
    python: Path, world: World, tmp_path: Path
) -> None:
    """Poller, Kafka, indexer, Elasticsearch, door; the sandbox's clock stands still, all others go on. So answers about
    the time are not compared."""
    now_ms = SystemClock().now_ms()
    hour = now_ms - now_ms % HOUR_MS
    endless = StandInLimits(binance_weight_per_minute=None)  # its minute never ends
    with Sandbox(coins=60, clock=StandingClock(now_ms), limits=endless) as sandbox:
        sandbox.add(
            Rule(path=".*", headers={"Date": None})
        )  # else the poller finds its own clock 30 s ahead, and rests
        world.texts |= {
            **{f"{name.upper()}_BASE_URL": sandbox.base_url(name) for name in ("coingecko", "binance", "bybit")},
            "SOURCES": POLLED,
            "COINGECKO_TOP_N": "50",
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "BINANCE_SYMBOLS": "*",
            "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
            "BYBIT_CANDLE_SYMBOLS": "BTCUSDT",
            "HISTORY": "binance.candle-1h=2d,bybit-linear.candle-1h=2d",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "10",
            "SERVE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(tmp_path / "read-through"),
        }
        world.set_up(TICKER, CANDLE)
        with running("consume", world, tmp_path), running("produce", world, tmp_path), running("serve", world, tmp_path) as log:  # fmt: skip
            door = said(log, ADDRESS)
            bars = f"startTime={hour - 31 * HOUR_MS}&endTime={hour - 1}"
            for path, way in [
                ("coingecko/api/v3/coins/markets?vs_currency=usd&per_page=20", "road"),
                ("coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd", "road"),
                ("binance/api/v3/ticker/24hr", "road"),
                *((f"bybit/v5/market/tickers?category={each}", "road") for each in ("linear", "inverse", "spot")),
                (f"binance/api/v3/klines?symbol=BTCUSDT&interval=1h&{bars}", "index"),
                (f"bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=60&start={hour - 31 * HOUR_MS}&end={hour - 1}", "index"),
                ("coingecko/api/v3/coins/list", "through"),
            ]:  # fmt: skip
                wait_until(
                    lambda url=f"{door}/{path}", way=way: found_at(url, f"{way}/"), what=f"{path} from the {way}"
                )
            ours = asked(python, f"{door}/coingecko/api/v3", f"{door}/binance", f"{door}/bybit", now_ms=now_ms)
            urls = (sandbox.base_url(each) for each in ("coingecko", "binance", "bybit"))
            theirs = asked(python, *urls, now_ms=now_ms)
    for found in (ours, theirs):
        for name in [each for each in found if each.endswith(": time")]:
            del found[name]
        for each in found.values():
            if isinstance(each.get("result"), dict):
                each["result"].pop("time", None)  # of Bybit's envelope
    compared(ours, theirs, least=LEAST_FROM_ITS_FIRST_MINUTES)


def compared(ours: dict[str, Any], theirs: dict[str, Any], *, least: float = LEAST_FROM_THE_ROAD) -> None:
    told = {name: found.pop("from") for name, found in ours.items()}
    for found in theirs.values():
        found.pop("from")
    assert {name: ours[name] for name in ours if ours[name] != theirs[name]} == {}
    assert {name for name, found in ours.items() if "error" in found} == {
        name for name in ours if any(word in name for word in ("no such", "missing", "wrong"))
    }
    through = {name for name, ways in told.items() if any(way.startswith("through/") for way in ways)}
    assert 1 - len(through) / len(told) >= least, f"read through: {sorted(through)}"


def asked(python: Path, *urls: str, now_ms: int = NOW_MS) -> dict[str, Any]:
    done = subprocess.run(
        [python, HERE / "clients.py", *urls, str(now_ms)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
