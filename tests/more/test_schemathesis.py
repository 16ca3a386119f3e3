"""schemathesis asks every path of `/v1` what its OpenAPI document says may be asked, and what may not: no answer is an
error of ours, each is what the document says. In an environment of its own, which uv makes.

A question that the document allows may still be too large, which is 400; so whether each is taken is not asked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import World, endpoints, world
from tests.integration.serve.processes import ADDRESS, found_at, running, said

__all__ = ["endpoints", "world"]

SCHEMATHESIS = "schemathesis==4.32.5"
SECONDS = 900
EXAMPLES = 25


@pytest.mark.timeout(1800)
def test_what_is_described_is_what_is_answered(world: World, tmp_path: Path) -> None:
    with Sandbox(coins=60) as sandbox:
        world.texts |= {
            "SOURCES": "coingecko,binance,binance.candle-1m",
            "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
            "COINGECKO_TOP_N": "20",
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "BINANCE_BASE_URL": sandbox.base_url("binance"),
            "BINANCE_SYMBOLS": "BTCUSDT,ETHUSDT",
            "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "5",
            "SERVE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(tmp_path / "read-through"),
        }
        world.set_up(TICKER, CANDLE)
        with running("consume", world, tmp_path), running("produce", world, tmp_path), running("serve", world, tmp_path) as log:  # fmt: skip
            door = said(log, ADDRESS)
            wait_until(lambda: found_at(f"{door}/v1/latest"), what="records in the index")
            command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--isolated"]
            command += ["--python", sys.executable, "--with", SCHEMATHESIS, "schemathesis", "run"]
            command += [f"{door}/v1/openapi.json", "--max-examples", str(EXAMPLES), "--seed", "1"]
            command += ["--exclude-checks", "positive_data_acceptance", "--request-timeout", "60", "--no-color"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
