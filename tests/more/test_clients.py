"""Clients that nobody here wrote, unchanged but for their base URL: what they get at the door is what they get at the
sandbox, field by field, at a moment at which the clock stands still.

They run in an environment of their own (tests/more/clients.txt), which uv makes beside ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets.times import HOUR_MS
from cryptoproxy.sandbox import Sandbox
from tests.unit.serve.conftest import NOW_MS, Road, StandingClock

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "clients.txt"
HOUR = NOW_MS - NOW_MS % HOUR_MS
LEAST_FROM_THE_ROAD = 0.75
"""Of the calls that are compared; what is read through proves nothing and is counted apart."""


@pytest.fixture(scope="session")
def python() -> Path:
    """Of the clients' environment, made anew when its requirements change."""
    folder = Path(sys.prefix) / ".clients"
    stamp = folder / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != REQUIREMENTS.read_text():
        uv = Path(sys.prefix) / "bin" / "uv"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", folder / "bin/python", "-r", REQUIREMENTS], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return folder / "bin/python"


def test_every_client_gets_at_the_door_what_its_upstream_answers(python: Path) -> None:
    clock = StandingClock()
    with Sandbox(coins=60, clock=clock) as sandbox:
        road = Road.made(sandbox, clock, through=True)
        road.poll()
        road.walk("binance.candle-1h", "BTCUSDT", HOUR - 48 * HOUR_MS)
        road.walk("bybit-linear.candle-1h", "BTCUSDT", HOUR - 48 * HOUR_MS)
        road.start()
        try:
            ours = asked(python, f"{road.url}/coingecko/api/v3", f"{road.url}/binance", f"{road.url}/bybit")
            theirs = asked(python, *(sandbox.base_url(each) for each in ("coingecko", "binance", "bybit")))
        finally:
            road.stop()
    told = {name: found.pop("from") for name, found in ours.items()}
    for found in theirs.values():
        found.pop("from")
    assert {name: ours[name] for name in ours if ours[name] != theirs[name]} == {}
    assert {name for name, found in ours.items() if "error" in found} == {
        name for name in ours if any(word in name for word in ("no such", "missing", "wrong"))
    }
    through = {name for name, ways in told.items() if any(way.startswith("through/") for way in ways)}
    assert 1 - len(through) / len(told) >= LEAST_FROM_THE_ROAD, f"read through: {sorted(through)}"


def asked(python: Path, *urls: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, HERE / "clients.py", *urls, str(NOW_MS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
