"""Trading pairs of an exchange, made out of the coins of the market: price of the base over price of the quote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cryptoproxy.sandbox.world.coins import STABLE, Coin
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import Beat, SeededMarket
from cryptoproxy.sandbox.world.noise import key_of
from cryptoproxy.sandbox.world.tape import Sizes, Tape

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
TRADE_USD = 1200.0
"""An average aggregate trade, where there is enough trade."""


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
    listed: int = 0
    """From this second on it is traded."""
    delisted: int | None = None
    down: tuple[tuple[int, int], ...] = ()
    """From and to: when nobody could trade."""
    quote_decimals: int | None = None
    """Of volumes in the quote; None: as many as there can be."""

    @property
    def tick(self) -> float:
        return 10.0**-self.price_decimals


@dataclass(frozen=True, slots=True)
class Quote:
    """A pair at one moment and over the 24 hours before, in its quote currency."""

    last: float
    open: float
    high: float
    low: float
    volume: float
    """In base units."""
    turnover: float
    """In quote units."""
    trades: int
    next_trade: int
    """The number of the first trade to come."""


def listable(market: SeededMarket, coin: int, quote: str, against: int | None) -> bool:
    """Whether it is sensible and has a price that can be written."""
    return sensible(market, coin, against) and first_price(market, coin, quote, against) >= LEAST_PRICE


def sensible(market: SeededMarket, coin: int, against: int | None) -> bool:
    """Whether anyone would list this: no wrapped coins, no dollars in bitcoin, no bitcoin in a smaller coin."""
    coins = market.coins
    if coins[coin].follows is not None or coin == against:
        return False
    return against is None or stable(coins[against]) or (coin > against and not stable(coins[coin]))


def stable(coin: Coin) -> bool:
    return coin.day_volatility < STABLE


def tradable(market: SeededMarket) -> dict[str, int]:
    """The coin behind each ticker symbol: of a repeated one, the first."""
    found: dict[str, int] = {}
    for i, coin in enumerate(market.coins):
        symbol = coin.symbol.upper()
        if symbol.isascii() and symbol.isalnum() and coin.ranked:
            found.setdefault(symbol, i)
    return found


def price_at(market: SeededMarket, pair: Pair, second: int) -> float:
    """Not rounded."""
    return market.path(pair.coin, pair.against).price(second) / _scale(pair)


class Tapes:
    """What is traded of the pairs of one exchange."""

    def __init__(self, market: SeededMarket, exchange: str) -> None:
        self._market, self._exchange = market, exchange
        self.of = cache(self._make)

    def quote(self, pair: Pair, second: int) -> Quote:
        """Over the 24 hours before, from a whole minute on."""
        tape = self.of(pair)
        rows, sizes = tape.window(second // 60 * 60 - DAY, second).rows(), tape.sizes
        price = tape.price_ticks(second)
        row = rows[0] if rows else (0, price, price, price, price, 0, 0, 0, 0, 0)  # not listed yet
        _, opened, high, low, last, volume, _, turnover, _, trades = row
        tick = 10.0**sizes.price_decimals
        return Quote(
            last / tick,
            opened / tick,
            high / tick,
            low / tick,
            volume / 10.0**sizes.size_decimals,
            turnover / 10.0**tape.quote_decimals,
            trades,
            tape.next_trade(second),
        )

    def _make(self, pair: Pair) -> Tape:
        coin = self._market.coins[pair.coin]
        usd = coin.price * pair.factor
        sizes = Sizes(
            _scale(pair),
            first_price(self._market, pair.coin, pair.quote, pair.against) * pair.factor,
            pair.price_decimals,
            pair.size_decimals,
            volume=coin.volume * pair.share / usd / 24,
            aggregates=coin.volume * pair.share / TRADE_USD / 24 * self._market.busy,
            quote_decimals=pair.quote_decimals,
        )
        key = key_of(self._market.seed, f"{self._exchange}/{pair.symbol}/tape")
        path = self._market.path(pair.coin, pair.against)
        return Tape(path, key, sizes, listed=pair.listed, delisted=pair.delisted, down=pair.down)


def _scale(pair: Pair) -> float:
    return (MONEY[pair.quote] if pair.against is None else 1.0) / pair.factor


def first_price(market: SeededMarket, coin: int, quote: str, against: int | None) -> float:
    """Where the noise is zero."""
    return market.coins[coin].price / (MONEY[quote] if against is None else market.coins[against].price)


def make_pair(
    market: SeededMarket,
    symbol: str,
    assets: tuple[str, str],
    coin: int,
    against: int | None,
    *,
    beat: Beat,
    share: float,
    decimals: tuple[int, int],
    listed: int,
    delisted: int | None = None,
    down: tuple[tuple[int, int], ...] = (),
    place: int = 0,
    factor: int = 1,
    quote_decimals: int | None = None,
) -> Pair:
    """Prices have five significant digits, but two decimals at least; sizes are whole units of what is cheap, and
    thousandths of what is dear. ``assets`` are base and quote; ``decimals`` is the most of both."""
    base, quote = assets
    price, usd = first_price(market, coin, quote, against) * factor, market.coins[coin].price * factor
    price_decimals = max(2, min(decimals[0], 4 - math.floor(math.log10(price))))
    size_decimals = min(decimals[1], len(str(int(usd))) + 1) if usd >= 1 else 0
    return Pair(
        place,
        symbol,
        base,
        quote,
        coin,
        against,
        beat,
        price_decimals,
        size_decimals,
        share,
        factor,
        listed=max(listed, market.born(coin), 0 if against is None else market.born(against)),
        delisted=delisted,
        down=down,
        quote_decimals=quote_decimals,
    )
