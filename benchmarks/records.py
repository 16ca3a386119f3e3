"""Records of the contract, as many as wanted and always the same: a market of 250 coins, a poll each minute."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from cryptoproxy.datasets import Ticker, encode, iso, key

COINS = 250
STEP_MS = 60_000
BEGIN_MS = 1_759_276_800_000
"""2025-10-01T00:00Z: a month has room for 11 million of them in one index."""


class Made(NamedTuple):
    """A record as the topic has it."""

    key: bytes
    value: bytes


def records(count: int, *, begin_ms: int = BEGIN_MS, step_ms: int = STEP_MS, coins: int = COINS) -> Iterator[Made]:
    """About 480 bytes each, with the fields of CoinGecko, as that is what most installations poll."""
    dice = random.Random(7)
    prices = [10 ** dice.uniform(-4, 4.8) for _ in range(coins)]
    for number in range(count):
        coin = number % coins
        price = prices[coin] = prices[coin] * dice.uniform(0.999, 1.001)
        slot_ms = begin_ms + number // coins * step_ms
        made = record(coin, price, slot_ms)
        yield Made(key(made).encode(), encode(made))


def record(coin: int, price: float, slot_ms: int) -> Ticker:
    """One record; all that is not given follows from it."""
    change = (price * 7919) % 10 - 5
    return Ticker(
        source="coingecko",
        asset_id=f"market-coin-{coin}",
        symbol=f"C{coin}",
        name=f"Market Coin {coin}",
        quote="USD",
        price=price,
        timestamp=iso(slot_ms),
        fetched_at=iso(slot_ms + 310 + coin // 250),
        fetch_delay_ms=310 + coin // 250,
        last_updated=iso(slot_ms - 20_000 - coin * 7 % 9000),
        market_cap=round(price * 19_000_000, 2),
        market_cap_rank=coin + 1,
        volume_24h=round(price * 812_345.25, 2),
        high_24h=round(price * 1.0213, 6),
        low_24h=round(price * 0.9771, 6),
        change_1h=round(change / 11, 5),
        change_24h=round(change, 5),
        change_7d=round(change * 1.7, 5),
        price_change_24h=round(price * change / 100, 8),
        interval_ms=60_000,
    )
