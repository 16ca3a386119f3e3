"""Trading pairs of an exchange, made out of the coins of the market: price of the base over price of the quote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from cryptoproxy.sandbox.market import DAY, Beat, Coin, Market, high_low

MONEY: Mapping[str, float] = dict.fromkeys(("USD", "USDT", "USDC", "BUSD", "PAX"), 1.0) | {
    "FDUSD": 0.9996,
    "TUSD": 0.9994,
    "EUR": 1.163,
    "TRY": 0.0238,
    "BRL": 0.187,
    "BIDR": 0.000061,
}
"""USD for one of a quote, where that is no coin of the market or is not to move."""
LEAST_PRICE = 1e-7


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of an exchange's symbol list, and what its numbers look like."""

    place: int
    symbol: str
    base: str
    quote: str
    coin: int
    against: int | None
    """Index of the quote's coin; None for money."""
    beat: Beat
    price_decimals: int
    size_decimals: int
    share: float
    """Of the coin's volume."""
    factor: int = 1
    """Units of the coin in one base unit: 1000 for ``1000BONKUSDT``."""

    @property
    def tick(self) -> float:
        return 10.0**-self.price_decimals


@dataclass(frozen=True, slots=True)
class Quote:
    """A pair at one moment, in its quote currency, not rounded."""

    last: float
    open: float
    high: float
    low: float
    volume: float
    """In base units."""

    @property
    def average(self) -> float:
        return (self.last + self.open + self.high + self.low) / 4


def listable(market: Market, coin: int, quote: str, against: int | None) -> bool:
    """Whether it is sensible and has a price that can be written."""
    return sensible(market, coin, against) and first_price(market, coin, quote, against) >= LEAST_PRICE


def sensible(market: Market, coin: int, against: int | None) -> bool:
    """Whether anyone would list this: no wrapped coins, no dollars in bitcoin, no bitcoin in a smaller coin."""
    coins = market.coins
    if coins[coin].follows is not None or coin == against:
        return False
    return against is None or stable(coins[against]) or (coin > against and not stable(coins[coin]))


def stable(coin: Coin) -> bool:
    return coin.day_volatility < 0.001


def tradable(market: Market) -> dict[str, int]:
    """The coin behind each ticker symbol: of a repeated one, the first."""
    found: dict[str, int] = {}
    for i, coin in enumerate(market.coins):
        symbol = coin.symbol.upper()
        if symbol.isascii() and symbol.isalnum() and coin.ranked:
            found.setdefault(symbol, i)
    return found


def price_at(market: Market, pair: Pair, second: int) -> float:
    below = MONEY[pair.quote] if pair.against is None else market.price(pair.against, second)
    return market.price(pair.coin, second) * pair.factor / below


def quote_at(market: Market, pair: Pair, second: int) -> Quote:
    price = partial(price_at, market, pair)
    usd = market.price(pair.coin, second) * pair.factor
    volume = market.volume(pair.coin, second) * pair.share / usd
    return Quote(price(second), price(second - DAY), *high_low(price, second), volume)


def first_price(market: Market, coin: int, quote: str, against: int | None) -> float:
    """Where the noise is zero."""
    return market.coins[coin].price / (MONEY[quote] if against is None else market.coins[against].price)


def make_pair(
    market: Market,
    symbol: str,
    assets: tuple[str, str],
    coin: int,
    against: int | None,
    *,
    beat: Beat,
    share: float,
    decimals: tuple[int, int],
    place: int = 0,
    factor: int = 1,
) -> Pair:
    """Prices have five significant digits, but two decimals at least; sizes are whole units of what is cheap, and
    thousandths of what is dear. ``assets`` are base and quote; ``decimals`` is the most of both."""
    base, quote = assets
    price, usd = first_price(market, coin, quote, against) * factor, market.coins[coin].price * factor
    price_decimals = max(2, min(decimals[0], 4 - math.floor(math.log10(price))))
    size_decimals = min(decimals[1], len(str(int(usd))) + 1) if usd >= 1 else 0
    return Pair(place, symbol, base, quote, coin, against, beat, price_decimals, size_decimals, share, factor)
