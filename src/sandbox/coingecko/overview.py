"""The market as a whole: ``/global``, ``/search/trending``, ``/exchanges``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from random import Random

from cryptoproxy.sandbox.coingecko import currencies
from cryptoproxy.sandbox.coingecko.categories import NAMES, Categories
from cryptoproxy.sandbox.coingecko.currencies import RATES
from cryptoproxy.sandbox.coingecko.numbers import IMAGES
from cryptoproxy.sandbox.coingecko.rows import MAX_PER_PAGE, count
from cryptoproxy.sandbox.wire import Header
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket

Params = Mapping[str, str]

EVERY = 600
"""Seconds between two updates."""
BIGGEST, TRENDING, TRENDING_AMONG, NFTS, TRENDING_CATEGORIES = 10, 15, 400, 7, 6
EXCHANGES = 237
KNOWN = (
    ("binance", "Binance", 2017, "Cayman Islands"), ("gdax", "Coinbase Exchange", 2012, "United States"),
    ("kraken", "Kraken", 2011, "United States"), ("bybit_spot", "Bybit", 2018, "British Virgin Islands"),
    ("okex", "OKX", 2013, "Belize"), ("kucoin", "KuCoin", 2014, "Seychelles"),
    ("bitget", "Bitget", 2018, "Seychelles"), ("gate", "Gate", None, "Hong Kong"),
    ("crypto_com", "Crypto.com Exchange", 2019, "Malta"), ("mxc", "MEXC", 2018, "Seychelles"),
)  # fmt: skip
"""Id, name, year and country; the others are made up."""


class Overview:
    def __init__(self, market: SeededMarket, categories: Categories) -> None:
        self._market, self._categories = market, categories
        self._total = lru_cache(maxsize=2)(self._make_total)
        self._trending = lru_cache(maxsize=2)(self._make_trending)

    def total(self, params: Params, now_ms: int) -> object:
        return self._total(now_ms // 1000 // EVERY * EVERY)

    def trending(self, params: Params, now_ms: int) -> object:
        return self._trending(now_ms // 1000 // EVERY * EVERY)

    def _make_total(self, second: int) -> object:
        market = self._market
        coins = [i for i, coin in enumerate(market.coins) if not coin.rehypothecated]
        caps, before = ({i: market.cap(i, at) for i in coins} for at in (second, second - DAY))
        volume, volume_before = (sum(market.volume(i, at) for i in coins) for at in (second, second - DAY))
        total = sum(caps.values())
        rates = self._rates(second)
        biggest = sorted(coins, key=lambda i: -caps[i])[:BIGGEST]
        return {
            "data": {
                "active_cryptocurrencies": len(coins),
                "upcoming_icos": 0,
                "ongoing_icos": 49,
                "ended_icos": 3376,
                "markets": EXCHANGES,
                "total_market_cap": {name: total * rate for name, rate in rates.items()},
                "total_volume": {name: volume * rate for name, rate in rates.items()},
                "market_cap_percentage": {market.coins[i].symbol: caps[i] / total * 100 for i in biggest},
                "market_cap_change_percentage_24h_usd": (total / sum(before.values()) - 1) * 100,
                "volume_change_percentage_24h_usd": (volume / volume_before - 1) * 100,
                "updated_at": second,
            }
        }

    def _make_trending(self, second: int) -> object:
        """Those that moved most, which changes slowly."""
        market = self._market
        there = [i for i in range(min(TRENDING_AMONG, len(market.coins))) if market.coins[i].follows is None]
        hot = sorted(there, key=lambda i: -abs(market.change(i, second, DAY)))[:TRENDING]
        by_name = sorted(NAMES, key=lambda name: market.draw(len(name), second // DAY))
        return {
            "coins": [{"item": self._trending_coin(place, i, second)} for place, i in enumerate(hot)],
            "nfts": [_nft(market, n, second) for n in range(NFTS)],
            "categories": [self._trending_category(name, second) for name in by_name[:TRENDING_CATEGORIES]],
        }

    def _trending_coin(self, place: int, i: int, second: int) -> dict[str, object]:
        market, coin = self._market, self._market.coins[i]
        number = int(coin.image.partition("/")[0])
        btc, price = self._rates(second)["btc"], market.price(i, second)
        pictures = {size: IMAGES + coin.image.replace("large", size) for size in ("standard", "small", "large")}
        cap, volume = market.cap(i, second), market.volume(i, second)
        return {
            "id": coin.id,
            "coin_id": number,
            "name": coin.name,
            "symbol": coin.symbol.upper(),
            "market_cap_rank": market.rank(i, second * 1000),
            "thumb": pictures["standard"],
            "small": pictures["small"],
            "large": pictures["large"],
            "slug": coin.id,
            "price_btc": price * btc,
            "score": place,
            "data": {
                "price": price,
                "price_btc": f"{price * btc:.20f}",
                "price_change_percentage_24h": self._changes(market.change(i, second, DAY), second),
                "market_cap": f"${round(cap):,}",
                "market_cap_btc": str(cap * btc),
                "total_volume": f"${round(volume):,}",
                "total_volume_btc": str(volume * btc),
                "sparkline": f"https://www.coingecko.com/coins/{number}/sparkline.svg",
                "content": None if place % 3 else {"title": f"What is {coin.name}?", "description": "A coin."},
            },
        }

    def _trending_category(self, name: str, second: int) -> dict[str, object]:
        cap, before, volume = self._categories.totals(name, second)
        number, btc = list(NAMES).index(name) + 20_000, self._rates(second)["btc"]
        hour_ago = self._categories.totals(name, second - 3600)[0]
        moved, moved_hour = ((cap / was - 1) * 100 if was else 0.0 for was in (before, hour_ago))
        return {
            "id": number,
            "name": NAMES[name],
            "market_cap_1h_change": moved_hour,
            "slug": name,
            "coins_count": str(len(self._categories.members[name])),
            "data": {
                "market_cap": cap,
                "market_cap_btc": cap * btc,
                "total_volume": volume,
                "total_volume_btc": volume * btc,
                "market_cap_change_percentage_24h": self._changes(moved, second),
                "sparkline": f"https://www.coingecko.com/categories/{number}/sparkline.svg",
            },
        }

    def _rates(self, second: int) -> dict[str, float]:
        found = {name: currencies.find(self._market, name) for name in RATES}
        return {name: currency.rate(self._market, second) for name, currency in found.items() if currency}

    def _changes(self, in_usd: float, second: int) -> dict[str, float]:
        """In all currencies."""
        now, before = self._rates(second), self._rates(second - DAY)
        return {name: ((1 + in_usd / 100) * now[name] / before[name] - 1) * 100 for name in now}


def exchanges(params: Params, address: str) -> tuple[list[dict[str, object]], tuple[Header, ...]]:
    """A page of them by trust, which is not quite by volume; and the headers that tell of the other pages."""
    size, page = min(count(params.get("per_page"), 100), MAX_PER_PAGE), count(params.get("page"), 1)
    last = -(-EXCHANGES // size)
    links = [(last, "last"), (page + 1, "next")] if page < last else []
    links += [(1, "first"), (page - 1, "prev")] if page > 1 else []
    more = f"&per_page={size}" if "per_page" in params else ""
    link = ", ".join(f'<{address}?page={n}{more}>; rel="{name}"' for n, name in links)
    rows = [_exchange(n) for n in range((page - 1) * size, min(page * size, EXCHANGES))]
    return rows, ((("Link", link),) if link else ()) + (("Per-Page", str(size)), ("Total", str(EXCHANGES)))


def names_of_exchanges() -> list[dict[str, object]]:
    """All of them."""
    return [{name: row[name] for name in ("id", "name")} for row in map(_exchange, range(EXCHANGES))]


def _exchange(n: int) -> dict[str, object]:
    random = Random(n)
    year, country = random.choice((None, *range(2013, 2025))), random.choice((None, "Seychelles", "Lithuania", "Japan"))
    made_up = f"exchange-{n}", f"Exchange {n}", year, country
    name, title, year, country = KNOWN[n] if n < len(KNOWN) else made_up
    return {
        "id": name,
        "name": title,
        "year_established": year,
        "country": country,
        "description": random.choice((None, "", f"{title} is an exchange.")),
        "url": f"https://www.{name.replace('_', '-')}.example/",
        "image": f"https://coin-images.coingecko.com/markets/images/{n + 20}/small/{name}.png?{1_706_864_250 + n}",
        "has_trading_incentive": False if n < len(KNOWN) else random.choice((False, False, True, None)),
        "trust_score": max(1, 10 - n // 12) if n < 150 else None,
        "trust_score_rank": n + 1 if n < 150 else None,
        "trade_volume_24h_btc": 130_000 * math.exp(-n / 14) * random.uniform(0.3, 2),
    }


def _nft(market: SeededMarket, n: int, second: int) -> dict[str, object]:
    floor, moved = 0.5 + 20 * market.draw(n, second // DAY), 20 * (market.draw(n, second // EVERY) - 0.5)
    sold, number = 200 * market.draw(n + 100, second // EVERY), 3000 + n
    return {
        "id": f"sandbox-nft-{n}",
        "name": f"Sandbox NFT {n}",
        "symbol": f"SNFT{n}",
        "thumb": f"https://coin-images.coingecko.com/nft_contracts/images/{number}/standard/{n}.png?1707289879",
        "nft_contract_id": number,
        "native_currency_symbol": "eth",
        "floor_price_in_native_currency": floor,
        "floor_price_24h_percentage_change": moved,
        "data": {
            "floor_price": f"{floor:.2f} ETH",
            "floor_price_in_usd_24h_percentage_change": str(moved),
            "h24_volume": f"{sold:.2f} ETH",
            "h24_average_sale_price": f"{floor * 0.98:.2f} ETH",
            "sparkline": f"https://www.coingecko.com/nft/{number}/sparkline.svg",
            "content": None,
        },
    }
