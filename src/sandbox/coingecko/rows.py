"""Rows of ``/coins/markets`` with their columns in the recorded order and their numbers in the recorded spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptoproxy.sandbox.coingecko import currencies
from cryptoproxy.sandbox.coingecko.categories import Categories
from cryptoproxy.sandbox.coingecko.currencies import Currency
from cryptoproxy.sandbox.coingecko.numbers import IMAGES, TRUE, change, money, stamp
from cryptoproxy.sandbox.upstream import Rows
from cryptoproxy.sandbox.world.coins import Coin
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket

PERIODS: Mapping[str, int] = {
    "14d": 14 * DAY, "1h": 3600, "1y": 365 * DAY, "200d": 200 * DAY, "24h": DAY, "30d": 30 * DAY, "7d": 7 * DAY
}  # fmt: skip
"""In the order of the answer's columns: by name."""
MAX_PER_PAGE = 250


Ranks = tuple[int | None, int | None]
"""Without and with those that are other coins' receipts."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the query wants of every row."""

    currency: Currency
    rehypothecated: bool
    changes: tuple[str, ...] = ()
    precision: int | None = None
    """Decimals of the price, -1 for all, None for the usual."""


class Markets:
    """The coins in any order, each with its row."""

    def __init__(self, market: SeededMarket, categories: Categories) -> None:
        self._market, self._categories = market, categories
        self._rows = Rows()

    def page(self, params: Mapping[str, str], now_ms: int) -> object:
        """``category`` or ``ids`` choose, else those that are listed. A page past the end is empty."""
        asked = params.get("price_change_percentage", "").split(",")
        columns = Columns(
            currencies.asked(self._market, params),
            params.get("include_rehypothecated") in TRUE,
            tuple(name for name in PERIODS if name in asked),
            precision(params.get("precision", "")),
        )
        size = min(count(params.get("per_page"), 100), MAX_PER_PAGE)
        start = (count(params.get("page"), 1) - 1) * size
        ordered = self._ordered(params.get("order", "market_cap_desc"), now_ms, self._chosen(params))
        return b"[" + b",".join(self.row(i, now_ms, columns) for i in ordered[start : start + size]) + b"]"

    def _chosen(self, params: Mapping[str, str]) -> Sequence[int]:
        if name := params.get("category"):
            return self._categories.coins(name)
        coins = self._market.coins
        if params.get("ids"):
            ids = set(params["ids"].split(","))
            return [i for i, coin in enumerate(coins) if coin.id in ids]
        every = params.get("include_rehypothecated") in TRUE
        return [i for i, coin in enumerate(coins) if every or not coin.rehypothecated]

    def _ordered(self, order: str, now_ms: int, coins: Sequence[int]) -> list[int]:
        """In the order asked for; market cap, falling, where that says nothing."""
        market = self._market
        name, _, direction = order.rpartition("_")
        falling = direction != "asc"
        if name == "id":
            return sorted(coins, key=lambda i: market.coins[i].id, reverse=falling)
        sized = market.volume if name == "volume" else market.cap
        return sorted(coins, key=lambda i: sized(i, market.updated_ms(i, now_ms) // 1000), reverse=falling)

    def row(self, i: int, now_ms: int, columns: Columns) -> bytes:
        updated_ms, rank = self._market.updated_ms(i, now_ms), self._market.rank(i, now_ms)
        every = self._market.rank(i, now_ms, rehypothecated=True) if columns.rehypothecated else None
        return self._rows.row(
            (columns, i), (updated_ms, rank, every), self._values, i, now_ms, updated_ms, (rank, every), columns
        )

    def _values(self, i: int, now_ms: int, updated_ms: int, ranks: Ranks, columns: Columns) -> dict[str, object]:
        rank, every = ranks
        market, coin, second = self._market, self._market.coins[i], updated_ms // 1000
        rate = columns.currency.rate(market, second)
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
            "current_price": money(price) if columns.precision is None else exact(price, columns.precision),
            "market_cap": round(cap),
            "market_cap_rank": rank,
            **({"market_cap_rank_with_rehypothecated": every} if columns.rehypothecated else {}),
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


def count(text: str | None, default: int) -> int:
    """A number from 1; anything else is as if it were not there."""
    return int(text) if text is not None and text.isdigit() and int(text) >= 1 else default


def precision(text: str) -> int | None:
    """Decimals of a price, -1 for all of them, None for the usual."""
    if text == "full":
        return -1
    return int(text) if text.isdigit() and int(text) <= 18 else None


def exact(price: float, decimals: int) -> float:
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
