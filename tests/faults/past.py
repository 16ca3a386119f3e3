"""What Bybit has traded: its own newest trades reach back for seconds, less than a busy machine may need to ask again."""

from __future__ import annotations

from typing import Any, cast

import requests

from cryptoproxy.sandbox import Sandbox, StandInLimits
from tests.books import Stopped

COINS = 50
"""Of the rig's sandbox."""


class Past:
    """What Bybit's linear market has traded, as a stand-in of the same seed tells it at any time: recent-trade itself reaches
    back for seconds."""

    def __init__(self) -> None:
        self._clock = Stopped()
        self._box = Sandbox(coins=COINS, clock=cast("Any", self._clock), limits=StandInLimits(bybit_calls_per_5s=None))
        self._box.start()
        self._known: dict[tuple[str, int, int], dict[str, int]] = {}

    def trades(self, symbol: str, begin_ms: int, end_ms: int) -> dict[str, int]:
        """Time of each by its id, in [begin, end)."""
        span = symbol, begin_ms, end_ms
        if span not in self._known:
            self._known[span] = self._trades(*span)
        return self._known[span]

    def _trades(self, symbol: str, begin_ms: int, end_ms: int) -> dict[str, int]:
        found: dict[str, int] = {}
        self._clock.ms = end_ms
        while self._clock.ms > begin_ms:
            asked = {"category": "linear", "symbol": symbol, "limit": "1000"}
            url = self._box.base_url("bybit") + "/v5/market/recent-trade"
            rows = requests.get(url, asked, timeout=60).json()["result"]["list"]
            found |= {row["execId"]: int(row["time"]) for row in rows}
            # Those of its last millisecond may be more than the page has.
            self._clock.ms = min(int(rows[-1]["time"]) + 1, self._clock.ms - 1)
        return {name: at_ms for name, at_ms in found.items() if begin_ms <= at_ms < end_ms}

    def stop(self) -> None:
        self._box.stop()
