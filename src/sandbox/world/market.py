"""A market of coins whose prices are a function of (seed, time): two sandboxes with one seed agree at every moment,
however often they are asked.

A price at a whole hour is its level at the start moved by noise on six time scales, from an hour to 48 days, each
twice as strong as the one four times shorter. On all scales between, that is a random walk; over years it stays
plausible. What happens within the hours is told by ``path``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from cryptoproxy.sandbox.world.coins import STABLE, Coin
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.noise import Floats, Ints, draw, key_of, noise, noises
from cryptoproxy.sandbox.world.path import HOUR, Path
from cryptoproxy.sandbox.world.shapes import shapes

PERIODS = tuple(4**k for k in range(6, 12))
_PRICE, _VOLUME = 0, 1
SWING = 0.1
"""How far a price goes within an hour, over what it moves in a day."""
BUSY, LIVELY = 15, 100
"""So many of the biggest coins are traded in every second, so many in every third; the others in six of a minute."""
QUIET_FROM, QUIET_EVERY = 60, 3
"""From there on every so manyth coin has minutes without a trade."""
AGES_AS_OF = 1_790_812_800
"""2026-10-01: when the coins were as old as they say."""


@dataclass(frozen=True, slots=True)
class Beat:
    """When something was last updated: every ``period_ms``, from ``phase_ms`` on."""

    period_ms: int
    phase_ms: int

    def last(self, now_ms: int) -> int:
        return now_ms - (now_ms - self.phase_ms) % self.period_ms


class SeededMarket:
    """Prices, volumes and their past. Times are whole seconds since 1970. ``busy`` times as many trades as usual."""

    def __init__(self, coins: Sequence[Coin], seed: int, *, busy: float = 1.0) -> None:
        self.coins = tuple(coins)
        self.seed = seed
        self.busy = busy
        self.index = {coin.id: i for i, coin in enumerate(self.coins)}
        self.beats = tuple(self.beat(f"coin/{i}", coin.beat_ms) for i, coin in enumerate(self.coins))
        self.path = cache(self._path)
        self._anchor = lru_cache(maxsize=1 << 17)(self._make_anchor)
        self._line = lru_cache(maxsize=512)(self._make_line)
        self.ranks = lru_cache(maxsize=4)(self._ranks)

    def unit(self, name: str) -> float:
        """A fixed random number in [0, 1) for anything with a name."""
        return (draw(key_of(self.seed, name), 0) + 1) / 2

    def draw(self, i: int, n: int) -> float:
        """A number in [0, 1) for the n-th of anything, for sizes that may jump."""
        return (draw(self.seed + (i << 40), n) + 1) / 2

    def beat(self, name: str, period_ms: int) -> Beat:
        return Beat(period_ms, int(self.unit(f"{name}/phase") * period_ms))

    def born(self, i: int) -> int:
        """The second of its first price: a whole day."""
        return AGES_AS_OF - self.coins[i].age_days * DAY

    def price(self, i: int, second: int) -> float:
        """In USD."""
        return self.path(i, None).price(second)

    def volume(self, i: int, second: int) -> float:
        """In USD over 24 hours."""
        return self.coins[i].volume * math.exp(self._level(i, _VOLUME, second, 0.08))

    def change(self, i: int, second: int, seconds: int) -> float:
        """In percent over the seconds before."""
        return (self.price(i, second) / self.price(i, second - seconds) - 1) * 100

    def cap(self, i: int, second: int) -> float:
        return self.price(i, second) * self.coins[i].circulating

    def rank(self, i: int, now_ms: int, *, rehypothecated: bool = False) -> int | None:
        """By market cap as of the last whole minute, so now and then out of step with the caps themselves."""
        return self.ranks(now_ms // 60_000, rehypothecated)[i]

    def updated_ms(self, i: int, now_ms: int) -> int:
        return self.beats[i].last(now_ms)

    def _path(self, i: int, against: int | None) -> Path:
        """The price of a coin in USD, or in another coin. In stable ones it has the same ups and downs as in USD, and
        who follows another has those of the other."""
        root = self._root(i)
        coins = self.coins
        fixed = against is None or coins[against].day_volatility < STABLE
        key = key_of(self.seed, f"{root}/path" if fixed else f"{root}/path/{against}")
        other = 0.0 if against is None else coins[against].day_volatility
        quiet = root >= QUIET_FROM and root % QUIET_EVERY == 0

        def anchor(hour: int) -> float:
            price = self._anchor(i, hour)
            return price if against is None else price / self._anchor(against, hour)

        def anchors(hours: Ints) -> tuple[Floats, Floats]:
            first, end = (int(hours[0]), int(hours[-1]) + 2) if len(hours) else (0, 1)
            line = self._line(i, first, end)
            line = line if against is None else line / self._line(against, first, end)
            return line[hours - first], line[hours - first + 1]

        return Path(
            key,
            anchor,
            anchors,
            0.0 if i == against else SWING * math.hypot(coins[root].day_volatility, other),
            minutes=shapes(50 if quiet else 60, wicks=True),
            seconds=shapes(60 if root < BUSY else 20 if root < LIVELY else 6, wicks=False),
        )

    def _root(self, i: int) -> int:
        follows = self.coins[i].follows
        return i if follows is None else self._root(follows)

    def _make_anchor(self, i: int, hour: int) -> float:
        """The price at the beginning of an hour. No ``exp``: it is not the same to the last bit everywhere."""
        coin = self.coins[i]
        moved = self._level(i, _PRICE, hour * HOUR, coin.day_volatility)
        own = coin.price * ((2 + moved) / (2 - moved))
        return own if coin.follows is None else own * self._anchor(coin.follows, hour)

    def _make_line(self, i: int, first: int, end: int) -> Floats:
        """:meth:`_make_anchor` for the hours [first, end)."""
        coin = self.coins[i]
        base = key_of(self.seed, f"{i}/{_PRICE}")
        seconds = np.arange(first, end) * HOUR
        total = np.zeros(end - first)
        for scale, period in enumerate(PERIODS):
            step, rest = np.divmod(seconds, period)
            least = int(step[0])
            found = noises(base + (scale << 48), np.arange(least, int(step[-1]) + 2))
            start, stop = found[step - least], found[step - least + 1]
            total += math.sqrt(period) * (start + (stop - start) * rest / period)
        moved = total * coin.day_volatility / math.sqrt(DAY)
        own: Floats = coin.price * ((2 + moved) / (2 - moved))
        return own if coin.follows is None else own * self._line(coin.follows, first, end)

    def _level(self, i: int, channel: int, second: int, day_volatility: float) -> float:
        base = key_of(self.seed, f"{i}/{channel}")
        total = 0.0
        for scale, period in enumerate(PERIODS):
            step, rest = divmod(second, period)
            key = base + (scale << 48)
            start, end = noise(key, step), noise(key, step + 1)
            total += math.sqrt(period) * (start + (end - start) * rest / period)
        return total * day_volatility / math.sqrt(DAY)

    def _ranks(self, minute: int, rehypothecated: bool) -> tuple[int | None, ...]:
        at_ms = minute * 60_000
        caps = {
            i: self.cap(i, self.updated_ms(i, at_ms) // 1000)
            for i, coin in enumerate(self.coins)
            if coin.ranked and (rehypothecated or not coin.rehypothecated)
        }
        places = sorted(caps.values())
        return tuple(
            len(places) - bisect_right(places, caps[i]) + 1 if i in caps else None for i in range(len(self.coins))
        )
