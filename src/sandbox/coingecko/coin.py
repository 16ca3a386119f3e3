"""``/coins/{id}``: all that is known of one coin, in blocks that can be switched off."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptoproxy.sandbox.coingecko import currencies
from cryptoproxy.sandbox.coingecko.categories import Categories
from cryptoproxy.sandbox.coingecko.currencies import RATES
from cryptoproxy.sandbox.coingecko.numbers import IMAGES, TRUE, change, money, stamp
from cryptoproxy.sandbox.coingecko.refusals import coin_of
from cryptoproxy.sandbox.coingecko.simple import moved_by, platforms_of
from cryptoproxy.sandbox.world.coins import Coin
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket

Params = Mapping[str, str]

CHANGES: Mapping[str, int] = {
    "1h": 3600, "24h": DAY, "7d": 7 * DAY, "14d": 14 * DAY, "30d": 30 * DAY, "60d": 60 * DAY, "200d": 200 * DAY,
    "1y": 365 * DAY,
}  # fmt: skip


class Details:
    def __init__(self, market: SeededMarket, categories: Categories) -> None:
        self._market, self._categories = market, categories

    def coin(self, name: str, params: Params, now_ms: int) -> object:
        """One coin with all its blocks, each of which can be switched off."""
        i = coin_of(self._market, name)
        coin, updated = self._market.coins[i], stamp(self._market.updated_ms(i, now_ms))
        ranks = {
            "market_cap_rank": self._market.rank(i, now_ms),
            "market_cap_rank_with_rehypothecated": self._market.rank(i, now_ms, rehypothecated=True),
        }
        body = self._described(i, coin, params) | ranks | {"status_updates": [], "last_updated": updated}
        blocks: Mapping[str, Callable[[], object]] = {
            "market_data": lambda: self._market_data(i, coin, ranks, now_ms, params),
            "community_data": lambda: dict(_COMMUNITY),
            "developer_data": lambda: dict(_DEVELOPERS),
            "tickers": lambda: self._tickers(i, coin, now_ms),
        }
        return body | {block: make() for block, make in blocks.items() if params.get(block, "true") in TRUE}

    def _described(self, i: int, coin: Coin, params: Params) -> dict[str, object]:
        platforms = platforms_of(self._market, i)
        chain, address = next(iter(platforms.items()), (None, ""))
        up = round(50 + 50 * self._market.unit(f"{coin.id}/up"), 2)
        picture = IMAGES + coin.image
        names = {"en": coin.name, "de": coin.name}
        detail = {"decimal_place": 18 if chain else None, "contract_address": address}
        return {
            "id": coin.id,
            "symbol": coin.symbol,
            "name": coin.name,
            "web_slug": coin.id,
            "asset_platform_id": chain,
            "platforms": platforms or {"": ""},
            "detail_platforms": {chain or "": detail},
            "block_time_in_minutes": 0 if chain else 10,
            "hashing_algorithm": None if chain else "SHA-256",
            "categories": self._categories.of(i),
            "preview_listing": False,
            "public_notice": None,
            "additional_notices": [],
            "has_supply_breakdown": False,
            **({"localization": names} if params.get("localization", "true") in TRUE else {}),
            "description": {"en": f"{coin.name} is a coin of the sandbox."},
            "links": _links(coin),
            "image": {size: picture.replace("large", size) for size in ("thumb", "small", "large")},
            "country_origin": "",
            "genesis_date": "2009-01-03" if coin.id == "bitcoin" else None,
            **({"contract_address": address} if chain else {}),
            "sentiment_votes_up_percentage": up,
            "sentiment_votes_down_percentage": round(100 - up, 2),
            "watchlist_portfolio_users": int(self._market.unit(f"{coin.id}/watch") * 2_000_000),
        }

    def _market_data(
        self, i: int, coin: Coin, ranks: dict[str, int | None], now_ms: int, params: Params
    ) -> dict[str, object]:
        market, updated_ms = self._market, self._market.updated_ms(i, now_ms)
        second = updated_ms // 1000
        found = [currency for name in sorted(RATES) if (currency := currencies.find(market, name)) is not None]
        rates = {currency.name: currency.rate(market, second) for currency in found}
        price, cap = market.price(i, second), market.cap(i, second)
        diluted = (coin.total or 0) * price
        high, low = market.path(i, None).extremes(second)
        ath, atl = max(coin.ath, price), min(coin.atl, price)
        old = second - market.born(i)
        moved = {
            name: {currency.name: moved_by(market, i, currency, second, period) for currency in found}
            if old >= period
            else {}
            for name, period in CHANGES.items()
        }
        gain = {name: _gained(price * rate, moved["24h"].get(name)) for name, rate in rates.items()}
        cap_gain = {name: _gained(cap * rate, moved["24h"].get(name)) for name, rate in rates.items()}
        return {
            "current_price": _in_all(price, rates),
            "total_value_locked": None,
            "mcap_to_tvl_ratio": None,
            "fdv_to_tvl_ratio": None,
            "roi": None if coin.roi is None else dict(zip(("times", "currency"), coin.roi, strict=True)),
            "ath": _in_all(ath, rates),
            "ath_change_percentage": dict.fromkeys(rates, round((price / ath - 1) * 100, 5)),
            "ath_date": dict.fromkeys(rates, coin.ath_date),
            "atl": _in_all(atl, rates),
            "atl_change_percentage": dict.fromkeys(rates, round((price / atl - 1) * 100, 5)),
            "atl_date": dict.fromkeys(rates, coin.atl_date),
            "market_cap": {name: round(cap * rate) for name, rate in rates.items()},
            "fully_diluted_valuation": {name: round(diluted * rate) for name, rate in rates.items()} if diluted else {},
            "market_cap_fdv_ratio": round(cap / diluted, 2) if diluted else None,
            "market_cap_rank": ranks["market_cap_rank"],
            "outstanding_token_value_usd": None,
            "market_cap_rank_with_rehypothecated": ranks["market_cap_rank_with_rehypothecated"],
            "total_volume": _in_all(market.volume(i, second), rates),
            "high_24h": _in_all(high, rates),
            "low_24h": _in_all(low, rates),
            "price_change_24h": gain["usd"],
            **{f"price_change_percentage_{n}": moved[n].get("usd") for n in CHANGES if n != "1h"},
            "market_cap_change_24h": cap_gain["usd"],
            "market_cap_change_percentage_24h": moved["24h"].get("usd"),
            "price_change_24h_in_currency": gain,
            **{f"price_change_percentage_{n}_in_currency": moved[n] for n in CHANGES},
            "market_cap_change_24h_in_currency": cap_gain,
            "market_cap_change_percentage_24h_in_currency": moved["24h"],
            "total_supply": coin.total,
            "max_supply": coin.max,
            "max_supply_infinite": coin.max is None,
            "circulating_supply": coin.circulating,
            "outstanding_supply": None,
            **({"sparkline_7d": {"price": self._sparkline(i, second)}} if params.get("sparkline") in TRUE else {}),
            "last_updated": stamp(updated_ms),
        }

    def _sparkline(self, i: int, second: int) -> list[float]:
        return [self._market.price(i, second // 3600 * 3600 - hour * 3600) for hour in range(167, -1, -1)]

    def _tickers(self, i: int, coin: Coin, now_ms: int) -> list[dict[str, object]]:
        market, second = self._market, now_ms // 1000
        price, volume = market.price(i, second), market.volume(i, second) * 0.3
        when = stamp(now_ms // 1000 * 1000).replace(".000Z", "+00:00")
        converted = {
            name: currency.rate(market, second)
            for name in ("btc", "eth", "usd")
            if (currency := currencies.find(market, name)) is not None
        }
        binance = {"name": "Binance", "identifier": "binance", "has_trading_incentive": False}
        return [
            {
                "base": coin.symbol.upper(),
                "target": "USDT",
                "market": binance,
                "last": money(price),
                "volume": round(volume / price, 5),
                "converted_last": {name: price * rate for name, rate in converted.items()},
                "converted_volume": {name: round(volume * rate) for name, rate in converted.items()},
                "trust_score": "green",
                "bid_ask_spread_percentage": 0.010014,
                "timestamp": when,
                "last_traded_at": when,
                "last_fetch_at": when,
                "is_anomaly": False,
                "is_stale": False,
                "trade_url": f"https://www.binance.com/en/trade/{coin.symbol.upper()}_USDT",
                "token_info_url": None,
                "coin_id": coin.id,
                "target_coin_id": "tether",
                "coin_mcap_usd": market.cap(i, second),
            }
        ]


def _in_all(value: float, rates: Mapping[str, float]) -> dict[str, int | float]:
    return {name: money(value * rate) for name, rate in rates.items()}


def _gained(value: float, percent: float | None) -> int | float | None:
    return None if percent is None else change(value * percent / (100 + percent))


def _links(coin: Coin) -> dict[str, object]:
    return {
        "homepage": [f"https://{coin.id}.example/", "", ""],
        "whitepaper": "",
        "blockchain_site": [f"https://explorer.example/{coin.id}", "", ""],
        "official_forum_url": ["", "", ""],
        "chat_url": ["", "", ""],
        "announcement_url": ["", ""],
        "snapshot_url": None,
        "twitter_screen_name": coin.symbol,
        "facebook_username": "",
        "bitcointalk_thread_identifier": None,
        "telegram_channel_identifier": "",
        "subreddit_url": "https://www.reddit.com",
        "repos_url": {"github": [], "bitbucket": []},
    }


_COMMUNITY: Mapping[str, object] = {
    "facebook_likes": None,
    "reddit_average_posts_48h": 0.0,
    "reddit_average_comments_48h": 0.0,
    "reddit_subscribers": 0,
    "reddit_accounts_active_48h": 0,
    "telegram_channel_user_count": None,
}
_DEVELOPERS: Mapping[str, object] = {
    "forks": 0,
    "stars": 0,
    "subscribers": 0,
    "total_issues": 0,
    "closed_issues": 0,
    "pull_requests_merged": 0,
    "pull_request_contributors": 0,
    "code_additions_deletions_4_weeks": {"additions": None, "deletions": None},
    "commit_count_4_weeks": 0,
    "last_4_weeks_commit_activity_series": [],
}
