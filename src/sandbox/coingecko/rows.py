"""Rows of ``/coins/markets`` with their columns in the recorded order and their numbers in the recorded spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import Coin, Market
from cryptoproxy.sandbox.upstream import Rows

IMAGES = "https://coin-images.coingecko.com/coins/images/"
PERIODS: Mapping[str, int] = {
    "14d": 14 * DAY, "1h": 3600, "1y": 365 * DAY, "200d": 200 * DAY, "24h": DAY, "30d": 30 * DAY, "7d": 7 * DAY
}  # fmt: skip
"""In the order of the answer's columns: by name."""
FIAT: Mapping[str, float] = {"usd": 1.0, "eur": 0.86, "gbp": 0.75, "jpy": 152.0, "chf": 0.8, "myr": 4.2, "try": 42.0}
"""Units of a currency for one USD; cryptocurrencies come from the market."""
CRYPTO: Mapping[str, str] = {"btc": "bitcoin", "eth": "ethereum", "bnb": "binancecoin", "xrp": "ripple"}


@dataclass(frozen=True, slots=True)
class Columns:
    """What the query wants of every row."""

    currency: str = "usd"
    changes: tuple[str, ...] = ()
    precision: int | None = None
    """Decimals of the price, -1 for all, None for the usual."""


class Markets:
    """The coins in any order, each with its row."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._rows = Rows()

    def knows(self, currency: str) -> bool:
        return currency in FIAT or CRYPTO.get(currency) in self._market.index

    def ordered(self, order: str, now_ms: int, ids: set[str] | None) -> list[int]:
        """Indexes of the coins asked for, in the order asked for; market cap, falling, where that says nothing."""
        market = self._market
        coins = [i for i, coin in enumerate(market.coins) if ids is None or coin.id in ids]
        name, _, direction = order.rpartition("_")
        falling = direction != "asc"
        if name == "id":
            return sorted(coins, key=lambda i: market.coins[i].id, reverse=falling)
        sized = market.volume if name == "volume" else market.cap
        return sorted(coins, key=lambda i: sized(i, market.updated_ms(i, now_ms) // 1000), reverse=falling)

    def row(self, i: int, now_ms: int, columns: Columns) -> bytes:
        updated_ms, rank = self._market.updated_ms(i, now_ms), self._market.rank(i, now_ms)
        version = updated_ms, rank
        return self._rows.row((columns, i), version, self._values, i, now_ms, updated_ms, rank, columns)

    def _values(self, i: int, now_ms: int, updated_ms: int, rank: int | None, columns: Columns) -> dict[str, object]:
        market, coin, second = self._market, self._market.coins[i], updated_ms // 1000
        rate = self._rate(columns.currency, second)
        price, cap = market.price(i, second) * rate, market.cap(i, second) * rate
        alive = now_ms - updated_ms < DAY * 1000
        day = market.change(i, second, DAY) / 100 if alive else None
        high, low = market.path(i, None).extremes(second) if alive else (None, None)
        diluted = (coin.total or 0) * price
        row: dict[str, object] = {
            "id": coin.id,
            "symbol": coin.symbol,
            "name": coin.name,
            "image": IMAGES + coin.image,
            "current_price": money(price) if columns.precision is None else _exact(price, columns.precision),
            "market_cap": round(cap),
            "market_cap_rank": rank,
            "fully_diluted_valuation": round(diluted) if diluted else None,
            "total_volume": money(market.volume(i, second) * rate),
            "high_24h": None if high is None else money(high * rate),
            "low_24h": None if low is None else money(low * rate),
            "price_change_24h": None if day is None else change(price * day / (1 + day)),
            "price_change_percentage_24h": None if day is None else round(day * 100, 5),
            "market_cap_change_24h": None if day is None else change(cap * day / (1 + day)),
            "market_cap_change_percentage_24h": None if day is None else round(day * 100 * 0.98, 5),
            "circulating_supply": float(coin.circulating),
            "total_supply": None if coin.total is None else float(coin.total),
            "max_supply": None if coin.max is None else float(coin.max),
        }
        row |= _extremes(coin, price, rate)
        row["roi"] = _roi(coin)
        row["last_updated"] = stamp(updated_ms)
        for name in columns.changes:
            row[f"price_change_percentage_{name}_in_currency"] = self._change(i, second, name, now_ms - updated_ms)
        return row

    def _change(self, i: int, second: int, name: str, stale_ms: int) -> float | None:
        period = PERIODS[name]
        if second - self._market.born(i) < period or stale_ms > max(3600, min(period, DAY)) * 1000:
            return None
        return self._market.change(i, second, period)

    def _rate(self, currency: str, second: int) -> float:
        if currency in FIAT:
            return FIAT[currency]
        return 1 / self._market.price(self._market.index[CRYPTO[currency]], second)


def money(value: float) -> int | float:
    """Rounded as CoinGecko does: no decimals for the large (an int), two to eight for the rest, then six digits."""
    if value >= 25_000:
        return round(value)
    for least, decimals in ((1.1, 2), (1.0, 3), (0.05, 6), (1e-6, 8)):
        if value >= least:
            return round(value, decimals)
    return float(f"{value:.6g}")


def change(value: float) -> int | float:
    """Gains are rounded like money, losses come with all their digits: so it is in the recordings."""
    return money(value) if value > 0 else value


def stamp(ms: int) -> str:
    """``2026-03-20T04:01:00.601Z``."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exact(price: float, decimals: int) -> float:
    return price if decimals < 0 else round(price, decimals)


def _extremes(coin: Coin, price: float, rate: float) -> dict[str, object]:
    high, low = max(coin.ath * rate, price), min(coin.atl * rate, price)
    return {
        "ath": money(high),
        "ath_change_percentage": round((price / high - 1) * 100, 5),
        "ath_date": coin.ath_date,
        "atl": money(low),
        "atl_change_percentage": round((price / low - 1) * 100, 5),
        "atl_date": coin.atl_date,
    }


def _roi(coin: Coin) -> dict[str, object] | None:
    if coin.roi is None:
        return None
    times, currency = coin.roi
    return {"times": times, "currency": currency, "percentage": times * 100}
