"""Coins and what does not move of them. The first ninety are real ones, as they were in March 2026 (``coins.json``),
the rest are made up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import msgspec

HEADS = ("", "baby-", "meta-", "open-", "super-")
# fmt: off
STARTS = ("al", "ba", "cor", "de", "el", "fi", "ga", "hyl", "ix", "jo",
          "ka", "lu", "mo", "ne", "or", "pho", "qui", "ri", "so", "tra")
ENDS = ("ax", "bit", "chain", "dex", "eon", "fi", "gen", "hub", "ion", "lux",
        "mint", "nova", "on", "pay", "rune", "swap", "tor", "verse", "x", "zen")
# fmt: on

STALE_MS = 14 * 86_400_000
"""Hardly traded: updated once in so long, its changes are null in between."""
STALE_REAL = frozenset({"resolv-wstusr", "hashnote-usyc"})
REHYPOTHECATED = frozenset({"weth", "staked-ether"})
STALE_EVERY = 101
UNRANKED_EVERY = 67
"""Of the made-up ones every so manyth has no known supply: no market cap, no rank."""


STABLE = 0.001
"""Below this daily volatility a coin counts as money."""


@dataclass(frozen=True, slots=True)
class Coin:
    """What does not move. Money in USD; ``price`` and ``volume`` are where the noise is zero."""

    id: str
    symbol: str
    name: str
    image: str
    price: float
    volume: float
    circulating: float
    total: float | None
    max: float | None
    ath: float
    ath_date: str
    atl: float
    atl_date: str
    day_volatility: float
    roi: tuple[float, str] | None = None
    """Times and currency."""
    follows: int | None = None
    """Index of the coin whose price this one copies, times ``price``: wrapped and bridged ones."""
    age_days: int = 5000
    """On ``AGES_AS_OF``. There is no price before."""
    beat_ms: int = 5000
    """How often the upstreams see a new price."""
    ranked: bool = True
    rehypothecated: bool = False
    """A receipt for another one, which since February 2026 is listed only where that is asked for."""


@cache
def real_coins() -> tuple[Coin, ...]:
    """From ``coins.json``: biggest first, wrapped and bridged ones (with repeated symbols) at the end."""
    rows: list[dict[str, Any]] = msgspec.json.decode(
        files("cryptoproxy.sandbox.world").joinpath("coins.json").read_bytes()
    )
    return tuple(_real(row, rows, i) for i, row in enumerate(rows))


def make_coins(count: int, seed: int) -> list[Coin]:
    """``count`` coins that are listed, the same for the same seed; with fewer than ninety, the biggest real ones.
    Among the real ones are, uncounted, those that are listed only where that is asked for."""
    real = list(real_coins())
    if count < sum(not coin.rehypothecated for coin in real):
        real = [coin for coin in real if not coin.rehypothecated][:count]
    smallest = min(coin.price * coin.circulating for coin in real_coins() if coin.follows is None)
    random = Random(seed)
    more = count - sum(not coin.rehypothecated for coin in real)
    return real + [_made_up(i, smallest * math.exp(-(i + 1) / 220), random) for i in range(more)]


def _real(row: Mapping[str, Any], rows: list[dict[str, Any]], i: int) -> Coin:
    fields = {name: row[name] for name in row if name not in ("roi", "follows")}
    fields["beat_ms"] = STALE_MS if row["id"] in STALE_REAL else 2000 + 250 * i
    fields["rehypothecated"] = row["id"] in REHYPOTHECATED
    if "roi" in row:
        fields["roi"] = (row["roi"]["times"], row["roi"]["currency"])
    if "follows" in row:
        fields["follows"] = next(k for k, other in enumerate(rows) if other["id"] == row["follows"])
        fields["price"] = row["price"] / rows[fields["follows"]]["price"]
    return Coin(**fields)


def _made_up(i: int, cap: float, random: Random) -> Coin:
    coin_id, symbol, name = _named(i)
    price = 10 ** (random.uniform(-10, -5) if random.random() < 0.04 else random.uniform(-4, 2.3))
    circulating = 0.0 if i % UNRANKED_EVERY == UNRANKED_EVERY - 1 else round(cap / price, random.choice((0, 8)))
    total = round(circulating * random.uniform(1, 2.5), 4) if random.random() < 0.97 else None
    year = random.randint(2018, 2025)
    return Coin(
        id=coin_id,
        symbol=symbol,
        name=name,
        image=f"{60_000 + i}/large/{coin_id}.png?{1_696_500_000 + 977 * i}",
        price=price,
        volume=cap * 10 ** random.uniform(-3.5, -0.7),
        circulating=circulating,
        total=total,
        max=float(math.ceil(total)) if total and random.random() < 0.6 else None,
        ath=price * random.uniform(2.5, 60),
        ath_date=f"{year}-{random.randint(1, 12):02}-{random.randint(1, 28):02}T10:24:11.849Z",
        atl=price / random.uniform(2.5, 40),
        atl_date=f"{year - 1}-{random.randint(1, 12):02}-{random.randint(1, 28):02}T00:00:00.000Z",
        day_volatility=random.uniform(0.02, 0.06),
        roi=(random.uniform(-0.99, 40), random.choice(("usd", "eth", "btc"))) if random.random() < 0.1 else None,
        age_days=random.randint(2, 364) if random.random() < 0.25 else 2000,
        beat_ms=STALE_MS if i % STALE_EVERY == STALE_EVERY // 2 else random.randint(3_000, 60_000),
        ranked=circulating > 0,
    )


def _named(i: int) -> tuple[str, str, str]:
    """Id, symbol and name. Symbols repeat now and then, ids never."""
    more, place = divmod(i * 7919, len(HEADS) * len(STARTS) * len(ENDS))
    head, rest = divmod(place, len(STARTS) * len(ENDS))
    word = STARTS[rest // len(ENDS)] + ENDS[rest % len(ENDS)]
    coin_id = HEADS[head] + word
    if i >= len(HEADS) * len(STARTS) * len(ENDS):
        coin_id += f"-{more}"
    return coin_id, (HEADS[head][:1] + word)[:6], coin_id.replace("-", " ").title()
