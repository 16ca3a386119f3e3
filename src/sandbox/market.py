"""A market of coins whose prices are a function of (seed, time): two sandboxes with one seed agree at every moment,
however often they are asked.

The logarithm of a price is its level at the start plus noise on eleven time scales, from 4 s to 48 days, each twice
as strong as the one four times shorter. On all scales between, that is a random walk; over years it stays plausible.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

DAY = 86_400
PERIODS = tuple(4**k for k in range(1, 12))
_STRENGTH = 1.0
"""So that the change over a day has about the coin's daily volatility."""
_MASK = (1 << 64) - 1
_PRICE, _VOLUME = 0, 1


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

    def high_low(self, i: int, second: int) -> tuple[float, float]:
        """Over the 24 hours before, of a price every three hours and the two ends."""
        step = DAY // 8
        seen = [self.price(i, second), self.price(i, second - DAY)]
        seen += [self.price(i, second // step * step - k * step) for k in range(8)]
        return max(seen), min(seen)

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
        return total * day_volatility * _STRENGTH / math.sqrt(DAY)

    def _ranks(self, minute: int) -> tuple[int | None, ...]:
        at_ms = minute * 60_000
        caps = sorted(
            self.cap(i, self.updated_ms(i, at_ms) // 1000) for i, coin in enumerate(self.coins) if coin.ranked
        )
        return tuple(
            len(caps) - bisect_right(caps, self.cap(i, self.updated_ms(i, at_ms) // 1000)) + 1 if coin.ranked else None
            for i, coin in enumerate(self.coins)
        )


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
