"""freqtrade fetches bars at the door: what `download-data` writes is what it writes when it asks the sandbox itself. Its
pages that reach into the open bar are read through, others are the road's. In an environment of its own,
which uv makes of its cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.sandbox import Sandbox
from tests.unit.serve.conftest import NOW_MS, Road, StandingClock

FREQTRADE = "freqtrade==2026.9"
SECONDS = 600
DAYS = 100
"""More than two pages of a thousand hours."""


def day(ms: int) -> str:
    return iso(ms)[:10].replace("-", "")


def downloaded(url: str, folder: Path) -> bytes:
    """The file of bars, as it was written."""
    folder.mkdir()
    config = {
        "exchange": {
            "name": "binance",
            "pair_whitelist": ["BTC/USDT"],
            "ccxt_config": {
                "enableRateLimit": False,
                "urls": {"api": {"public": f"{url}/api/v3"}},
                "options": {"fetchMarkets": {"types": ["spot"]}},
            },
            "ccxt_async_config": {"enableRateLimit": False},
        },
        "stake_currency": "USDT",
        "dry_run": True,
        "pairlists": [{"method": "StaticPairList"}],
    }
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    command += ["--with", FREQTRADE, "freqtrade", "download-data", "--config", "config.json", "--userdir", "."]
    command += ["--datadir", "data", "--pairs", "BTC/USDT", "--timeframes", "1h", "--data-format-ohlcv", "json"]
    command += ["--timerange", f"{day(NOW_MS - DAYS * DAY_MS)}-{day(NOW_MS - DAY_MS)}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return (folder / "data" / "BTC_USDT-1h.json").read_bytes()


def test_download_data_gets_at_the_door_what_it_gets_at_the_upstream(tmp_path: Path) -> None:
    clock = StandingClock()
    with Sandbox(coins=60, clock=clock) as sandbox:
        road = Road.made(sandbox, clock, through=True)
        road.poll("binance")
        hour = NOW_MS - NOW_MS % HOUR_MS
        road.walk("binance.candle-1h", "BTCUSDT", hour - (DAYS + 12) * DAY_MS)
        road.start()
        try:
            ours = downloaded(f"{road.url}/binance", tmp_path / "ours")
        finally:
            road.stop()
        theirs = downloaded(sandbox.base_url("binance"), tmp_path / "theirs")
    assert road.meter is not None
    (bars,) = (each for each in road.meter.since_last(NOW_MS, NOW_MS) if each.path == "binance/klines")
    assert bars.saved >= 1, "a full page is the road's"
    assert len(json.loads(ours)) > (DAYS - 2) * 24
    assert ours == theirs
