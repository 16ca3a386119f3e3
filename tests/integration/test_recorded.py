"""What was really recorded, down the whole road: the checks of ``scripts`` work, and say that all of it arrives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryptoproxy.common.settings.environment import child_environment
from tests.integration.conftest import World

FIXTURES = Path(__file__).parents[1] / "fixtures/recorded"
SCRIPT = Path(__file__).parents[2] / "scripts/check_road_datasets.py"


def test_recorded_candles_charts_figures_and_coins_arrive_field_by_field(world: World) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, FIXTURES],
        env=child_environment(world.texts), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.endswith(" differences 0")
    for told in ("ticker: 5 records", "candle: 185 records", "market: 43 records", "asset: 3 records"):
        assert told in done.stdout
