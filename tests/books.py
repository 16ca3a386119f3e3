"""What order books really were: the same market as the sandbox that streamed them, at any time and without a fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import requests

from cryptoproxy.datasets import Book, from_iso
from cryptoproxy.sandbox import Sandbox


class Stopped:
    """A clock that is set."""

    ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class Truth:
    """The same market at any time, without a fault: two sandboxes of one seed agree."""

    def __init__(self, coins: int) -> None:
        self._clock = Stopped()
        self._box = Sandbox(coins=coins, clock=cast("Any", self._clock))

    def __enter__(self) -> Truth:
        self._box.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._box.stop()

    def best(self, record: Book) -> tuple[list[Any], list[Any]]:
        """The best 20 of each side: what has changed by the slot. Of a change in the very millisecond of a slot the
        stand-in for Bybit says that it happened 3 ms before."""
        self._clock.ms = from_iso(record.timestamp)
        if record.source == "binance":
            self._clock.ms -= 1
            url, asked = "/api/v3/depth", {"symbol": record.asset_id, "limit": "20"}
            found = requests.get(self._box.base_url("binance") + url, asked, timeout=30).json()
            return _levels(found["bids"]), _levels(found["asks"])
        asked = {"category": record.source.removeprefix("bybit-"), "symbol": record.asset_id, "limit": "20"}
        url = self._box.base_url("bybit") + "/v5/market/orderbook"
        found = requests.get(url, asked, timeout=30).json()["result"]
        return _levels(found["b"]), _levels(found["a"])


def _levels(texts: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in texts]


def require_true(records: Sequence[Book], coins: int) -> None:
    """Each of them is the book of its slot, once, and in order.

    Args:
        coins: of the sandbox that streamed them.
    """
    with Truth(coins) as truth:
        for record in records:
            bids, asks = truth.best(record)
            if record.source != "bybit-inverse":
                assert (record.bids, record.asks) == (bids, asks), record.timestamp
            assert [price for price, _ in record.bids] == [price for price, _ in bids]
    for symbol in {record.asset_id for record in records}:
        times = [record.timestamp for record in records if record.asset_id == symbol]
        assert times == sorted(set(times))
