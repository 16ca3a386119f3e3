"""``/simple/price`` and ``/coins/list``: many coins, little of each."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.sandbox.coingecko import currencies
from cryptoproxy.sandbox.coingecko.currencies import Currency
from cryptoproxy.sandbox.coingecko.numbers import TRUE, money
from cryptoproxy.sandbox.coingecko.refusals import missing
from cryptoproxy.sandbox.coingecko.rows import exact, precision
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket

Params = Mapping[str, str]

CHAINS = ("ethereum", "solana", "binance-smart-chain", "base", "arbitrum-one")
OWN_CHAIN = 15
"""The biggest coins have a chain of their own; the others are contracts on another's."""


class Simple:
    def __init__(self, market: SeededMarket) -> None:
        self._market = market

    def names(self, params: Params, now_ms: int) -> object:
        """All of them, by id; on which chains they are where that is asked for."""
        with_platforms = params.get("include_platform") in TRUE
        rows = []
        for i, coin in enumerate(self._market.coins):
            row: dict[str, object] = {"id": coin.id, "symbol": coin.symbol, "name": coin.name}
            rows.append(row | ({"platforms": platforms_of(self._market, i)} if with_platforms else {}))
        return sorted(rows, key=lambda row: str(row["id"]))

    def prices(self, params: Params, now_ms: int) -> object:
        """By id, in alphabetical order; unknown coins are absent, and so are unknown currencies."""
        for name in ("ids", "vs_currencies"):
            if not params.get(name):
                raise missing(name)
        wanted = params["ids"].partition(", ")[0].split(",")  # a blank loses what comes after it
        found = [currencies.find(self._market, name.strip().lower()) for name in params["vs_currencies"].split(",")]
        known = [currency for currency in found if currency is not None]
        return {
            name: self._price(name, known, params, now_ms) for name in sorted(set(wanted) & set(self._market.index))
        }

    def _price(self, name: str, known: list[Currency], params: Params, now_ms: int) -> dict[str, object]:
        i, market = self._market.index[name], self._market
        updated_ms = market.updated_ms(i, now_ms)
        second, decimals = updated_ms // 1000, precision(params.get("precision", ""))
        row: dict[str, object] = {}
        for currency in known:
            rate, label = currency.rate(market, second), currency.name
            price = market.price(i, second) * rate
            row[label] = money(price) if decimals is None else exact(price, decimals)
            more = {
                "market_cap": market.cap(i, second) * rate,
                "24hr_vol": market.volume(i, second) * rate,
                "24hr_change": moved_by(market, i, currency, second, DAY),
            }
            wanted = {flag: value for flag, value in more.items() if params.get(f"include_{flag}") in TRUE}
            row |= {f"{label}_{flag.replace('24hr', '24h')}": value for flag, value in wanted.items()}
        last = {"last_updated_at": second} if params.get("include_last_updated_at") in TRUE else {}
        return row | last


def platforms_of(market: SeededMarket, i: int) -> dict[str, str]:
    """Chain and contract; empty for a chain's own coin."""
    if i < OWN_CHAIN:
        return {}
    chain = CHAINS[int(market.unit(f"{i}/chain") * len(CHAINS))]
    number = int(market.unit(f"{i}/contract") * 2**52)
    return {chain: f"0x{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 16**40:040x}"}


def moved_by(market: SeededMarket, i: int, currency: Currency, second: int, period: int) -> float:
    """In percent, in that currency."""
    now, before = (market.price(i, at) * currency.rate(market, at) for at in (second, second - period))
    return round((now / before - 1) * 100, 5)
