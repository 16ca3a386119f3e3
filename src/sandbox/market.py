"""A market of coins whose prices are a function of (seed, time): two sandboxes with one seed agree at every moment,
however often they are asked. The first ninety coins are real ones, as they were in March 2026, the rest are made up.

The logarithm of a price is its level at the start plus noise on eleven time scales, from 4 s to 48 days, each twice
as strong as the one four times shorter. On all scales between, that is a random walk; over years it stays plausible.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from random import Random
from typing import Any

import msgspec

DAY = 86_400
PERIODS = tuple(4**k for k in range(1, 12))
_MASK = (1 << 64) - 1
_PRICE, _VOLUME = 0, 1

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
STALE_EVERY = 101
UNRANKED_EVERY = 67
"""Of the made-up ones every so manyth has no known supply: no market cap, no rank."""


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
    """Younger than a period: no change over that period."""
    beat_ms: int = 5000
    """How often the upstreams see a new price."""
    ranked: bool = True


@dataclass(frozen=True, slots=True)
class Beat:
    """When something was last updated: every ``period_ms``, from ``phase_ms`` on."""

    period_ms: int
    phase_ms: int

    def last(self, now_ms: int) -> int:
        return now_ms - (now_ms - self.phase_ms) % self.period_ms


def high_low(price: Callable[[int], float], second: int) -> tuple[float, float]:
    """Over the 24 hours before, of the price every three hours and the two ends."""
    step = DAY // 8
    seen = [price(second), price(second - DAY), *(price(second // step * step - k * step) for k in range(8))]
    return max(seen), min(seen)


class Market:
    """Prices, volumes and their past. Times are whole seconds since 1970."""

    def __init__(self, coins: Sequence[Coin], seed: int) -> None:
        self.coins = tuple(coins)
        self.seed = seed
        self.index = {coin.id: i for i, coin in enumerate(self.coins)}
        self.beats = tuple(self.beat(f"coin/{i}", coin.beat_ms) for i, coin in enumerate(self.coins))
        self.price = lru_cache(maxsize=1 << 16)(self._price)
        self.ranks = lru_cache(maxsize=4)(self._ranks)

    def unit(self, name: str) -> float:
        """A fixed random number in [0, 1) for anything with a name."""
        return (_noise(_key(self.seed, name), 0) + 1) / 2

    def draw(self, i: int, n: int) -> float:
        """A number in [0, 1) for the n-th of anything, for sizes that may jump."""
        return (_mix(self.seed + (i << 40), n) + 1) / 2

    def beat(self, name: str, period_ms: int) -> Beat:
        return Beat(period_ms, int(self.unit(f"{name}/phase") * period_ms))

    def volume(self, i: int, second: int) -> float:
        """In USD over 24 hours."""
        return self.coins[i].volume * math.exp(self._level(i, _VOLUME, second, 0.08))

    def change(self, i: int, second: int, seconds: int) -> float:
        """In percent over the seconds before."""
        return (self.price(i, second) / self.price(i, second - seconds) - 1) * 100

    def cap(self, i: int, second: int) -> float:
        return self.price(i, second) * self.coins[i].circulating

    def rank(self, i: int, now_ms: int) -> int | None:
        """By market cap as of the last whole minute, so now and then out of step with the caps themselves."""
        return self.ranks(now_ms // 60_000)[i]

    def updated_ms(self, i: int, now_ms: int) -> int:
        return self.beats[i].last(now_ms)

    def _price(self, i: int, second: int) -> float:
        coin = self.coins[i]
        own = coin.price * math.exp(self._level(i, _PRICE, second, coin.day_volatility))
        return own if coin.follows is None else own * self.price(coin.follows, second)

    def _level(self, i: int, channel: int, second: int, day_volatility: float) -> float:
        base = _key(self.seed, f"{i}/{channel}")
        total = 0.0
        for scale, period in enumerate(PERIODS):
            step, rest = divmod(second, period)
            key = base + (scale << 48)
            start, end = _noise(key, step), _noise(key, step + 1)
            total += math.sqrt(period) * (start + (end - start) * rest / period)
        return total * day_volatility / math.sqrt(DAY)

    def _ranks(self, minute: int) -> tuple[int | None, ...]:
        at_ms = minute * 60_000
        caps = sorted(
            self.cap(i, self.updated_ms(i, at_ms) // 1000) for i, coin in enumerate(self.coins) if coin.ranked
        )
        return tuple(
            len(caps) - bisect_right(caps, self.cap(i, self.updated_ms(i, at_ms) // 1000)) + 1 if coin.ranked else None
            for i, coin in enumerate(self.coins)
        )


@cache
def real_coins() -> tuple[Coin, ...]:
    """From ``coins.json``: biggest first, wrapped and bridged ones (with repeated symbols) at the end."""
    rows: list[dict[str, Any]] = msgspec.json.decode(files("cryptoproxy.sandbox").joinpath("coins.json").read_bytes())
    return tuple(_real(row, rows, i) for i, row in enumerate(rows))


def make_coins(count: int, seed: int) -> list[Coin]:
    """``count`` coins, the same for the same seed; with fewer than ninety, the biggest real ones."""
    real = list(real_coins()[:count])
    smallest = min(coin.price * coin.circulating for coin in real_coins() if coin.follows is None)
    random = Random(seed)
    return real + [_made_up(i, smallest * math.exp(-(i + 1) / 220), random) for i in range(count - len(real))]


def _real(row: Mapping[str, Any], rows: list[dict[str, Any]], i: int) -> Coin:
    fields = {name: row[name] for name in row if name not in ("roi", "follows")}
    fields["beat_ms"] = STALE_MS if row["id"] in STALE_REAL else 2000 + 250 * i
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


@lru_cache(maxsize=1 << 15)
def _key(seed: int, name: str) -> int:
    """A stable 64-bit number for a seed and a name (FNV-1a): the same on every machine."""
    value = 0xCBF29CE484222325 ^ (seed & _MASK)
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value


def _mix(key: int, n: int) -> float:
    """In [-1, 1): splitmix64 of key and n."""
    z = (key + n * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * (2.0**-52) - 1.0


_noise = lru_cache(maxsize=1 << 16)(_mix)
"""For the slow scales, which ask for the same again and again."""
