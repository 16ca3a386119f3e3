"""Categories: which coins are in which, ``/coins/categories`` and ``/coins/categories/list``."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.sandbox.coingecko.numbers import IMAGES, stamp
from cryptoproxy.sandbox.upstream import Refusal
from cryptoproxy.sandbox.world.coins import STABLE
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket

NAMES: Mapping[str, str] = {
    "smart-contract-platform": "Smart Contract Platform",
    "layer-1": "Layer 1 (L1)",
    "proof-of-work-pow": "Proof of Work (PoW)",
    "stablecoins": "Stablecoins",
    "decentralized-finance-defi": "Decentralized Finance (DeFi)",
    "exchange-based-tokens": "Exchange-based Tokens",
    "wrapped-tokens": "Wrapped-Tokens",
    "meme-token": "Meme",
    "layer-2": "Layer 2 (L2)",
    "artificial-intelligence": "Artificial Intelligence (AI)",
    "real-world-assets-rwa": "Real World Assets (RWA)",
    "gaming": "Gaming (GameFi)",
    "solana-ecosystem": "Solana Ecosystem",
    "bittensor-subnets": "Bittensor Subnets",
}
"""Id and name. What a coin is not by itself it is by chance."""
SHARE = 0.12
UPDATED_EVERY_MS = 300_000


class Categories:
    """The same for the same seed."""

    def __init__(self, market: SeededMarket) -> None:
        self._market = market
        self.members = {name: tuple(i for i in range(len(market.coins)) if self._belongs(i, name)) for name in NAMES}

    def of(self, i: int) -> list[str]:
        """Their names."""
        return [NAMES[name] for name, members in self.members.items() if i in members]

    def coins(self, name: str) -> tuple[int, ...]:
        """Those in a category; an unknown one is refused."""
        if name not in self.members:
            raise Refusal(404, {"error": "category not found"})
        return self.members[name]

    def totals(self, name: str, second: int) -> tuple[float, float, float]:
        """Market cap, market cap a day before, volume, in USD."""
        members, market = self.members[name], self._market
        caps = [sum(market.cap(i, at) for i in members) for at in (second, second - DAY)]
        return caps[0], caps[1], sum(market.volume(i, second) for i in members)

    def rows(self, params: Mapping[str, str], now_ms: int) -> object:
        """By market cap; those without a coin at the end, with nulls."""
        rows = [self._row(name, now_ms) for name in NAMES]
        return sorted(rows, key=lambda row: -(row["market_cap"] or 0))  # type: ignore[operator]

    def names(self, params: Mapping[str, str], now_ms: int) -> object:
        return [{"category_id": name, "name": text} for name, text in NAMES.items()]

    def _row(self, name: str, now_ms: int) -> dict[str, object]:
        updated_ms = self._market.beat(f"category/{name}", UPDATED_EVERY_MS).last(now_ms)
        cap, before, volume = self.totals(name, updated_ms // 1000)
        biggest = [self._market.coins[i] for i in self.members[name][:3]]
        return {
            "id": name,
            "name": NAMES[name],
            "market_cap": cap or None,
            "market_cap_change_24h": (cap / before - 1) * 100 if before else None,
            "content": "",
            "top_3_coins_id": [coin.id for coin in biggest],
            "top_3_coins": [IMAGES + coin.image.replace("large", "small") for coin in biggest],
            "volume_24h": volume or None,
            "updated_at": stamp(updated_ms),
        }

    def _belongs(self, i: int, name: str) -> bool:
        coin = self._market.coins[i]
        if name in ("stablecoins", "wrapped-tokens"):
            wrapped = coin.follows is not None
            return wrapped == (name == "wrapped-tokens") and (wrapped or coin.day_volatility < STABLE)
        if coin.day_volatility < STABLE or coin.follows is not None:
            return False
        return self._market.unit(f"{coin.id}/{name}") < SHARE
