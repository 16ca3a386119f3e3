"""A synthetic year as CoinGecko would have sent it: 50 coins each minute, always the same for one seed.

Prices are geometric random walks; changes over an hour, a day and a week follow from the prices themselves, so that
what a query finds can be checked against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptoproxy.datasets import iso

MINUTE_MS = 60_000
DAY_MS = 86_400_000
_WEEK = 7 * 1440
"""Steps before the first record: a change over a week must have something to start from."""

Prices = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Year:
    """``coins`` assets each ``step_ms`` in ``[begin_ms, end_ms)``, both multiples of the step."""

    begin_ms: int
    end_ms: int
    coins: int = 50
    step_ms: int = MINUTE_MS
    seed: int = 7

    @property
    def slots(self) -> int:
        return (self.end_ms - self.begin_ms) // self.step_ms

    @property
    def documents(self) -> int:
        return self.slots * self.coins

    def symbol(self, coin: int) -> str:
        return "BTC" if coin == 0 else "ETH" if coin == 1 else f"C{coin:02d}"

    def asset(self, coin: int) -> str:
        return "bitcoin" if coin == 0 else "ethereum" if coin == 1 else f"coin-{coin:02d}"

    def prices(self) -> Prices:
        """Of shape (coins, slots), a week more in front."""
        dice = np.random.default_rng(self.seed)
        first = 10 ** np.linspace(5, -4, self.coins)
        day = np.linspace(0.02, 0.09, self.coins)
        """Standard deviation of a day's return."""
        found = np.empty((self.coins, self.slots + _WEEK))
        for coin in range(self.coins):
            steps = dice.standard_normal(self.slots + _WEEK) * day[coin] / np.sqrt(1440)
            # Pulled back to where it began, or a year's walk would leave the range of real prices.
            found[coin] = first[coin] * np.exp(np.cumsum(steps) - np.linspace(0, steps.sum(), len(steps)))
        return found

    def polls(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
        """(slot, [(document id, record's bytes)]) in the order of time, of the days ``first`` to before ``last``."""
        prices = self.prices()
        fronts = [self._front(coin) for coin in range(self.coins)]
        ids = [f"coingecko:{self.asset(coin)}:USD:" for coin in range(self.coins)]
        volumes = np.linspace(30e9, 1e6, self.coins)
        whole = self.slots if last is None else min(last * 1440, self.slots)
        for begin in range(first * 1440, whole, 1440):
            end = min(begin + 1440, whole)
            columns = [column.T.tolist() for column in columns_of(prices, begin, end, volumes)]
            for row in range(end - begin):
                slot = self.begin_ms + (begin + row) * self.step_ms
                delay = 200 + (begin + row) * 7919 % 400
                moment, fetched = iso(slot), iso(slot + delay)
                poll = []
                cells = zip(*(column[row] for column in columns), strict=True)
                for coin, (price, hour, day, week, cap, volume, high, low, moved) in enumerate(cells):
                    line = (
                        f'{fronts[coin]}"price":{price!r},"timestamp":"{moment}","fetched_at":"{fetched}",'
                        f'"fetch_delay_ms":{delay},"last_updated":"{iso(slot - _age(row, coin))}",'
                        f'"market_cap":{cap!r},'
                        f'"market_cap_rank":{coin + 1},"volume_24h":{volume!r},"high_24h":{high!r},"low_24h":{low!r},'
                        f'"change_1h":{hour!r},"change_24h":{day!r},"change_7d":{week!r},"price_change_24h":{moved!r},'
                        f'"interval_ms":{self.step_ms}}}'
                    )
                    poll.append((f"{ids[coin]}{slot}", line.encode()))
                yield slot, poll

    def _front(self, coin: int) -> str:
        return (
            f'{{"source":"coingecko","asset_id":"{self.asset(coin)}","symbol":"{self.symbol(coin)}",'
            f'"name":"Coin {coin}","quote":"USD",'
        )


def _age(row: int, coin: int) -> int:
    """How long ago the upstream had this price, in ms: different for each record."""
    return 5_000 + (row * 31 + coin * 977) % 40_000


def columns_of(prices: Prices, begin: int, end: int, volumes: Prices) -> list[Prices]:
    """The columns of some slots, each of shape (coins, slots), rounded as the upstream rounds."""
    now = prices[:, begin + _WEEK : end + _WEEK]

    def before(steps: int) -> Prices:
        return prices[:, begin + _WEEK - steps : end + _WEEK - steps]

    digits = np.maximum(2, 5 - np.floor(np.log10(now[:, :1])))
    scale = 10**digits
    price = np.round(now * scale) / scale
    day = before(1440)
    return [
        price,
        np.round((now / before(60) - 1) * 100, 5),
        np.round((now / day - 1) * 100, 5),
        np.round((now / before(_WEEK) - 1) * 100, 5),
        np.round(now * 19_000_000),
        np.round(volumes[:, None] * (1 + 0.1 * np.sin(np.arange(begin, end) / 700))),
        np.round(np.maximum(now, day) * 1.004 * scale) / scale,
        np.round(np.minimum(now, day) * 0.996 * scale) / scale,
        np.round((now - day) * scale) / scale,
    ]
