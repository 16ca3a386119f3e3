"""The spot pairs of the stand-in: about as many for each quote, and as many of them halted, as on 2024-01-05."""

from __future__ import annotations

from collections.abc import Iterator

from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import Beat, SeededMarket
from cryptoproxy.sandbox.world.pairs import MONEY, Pair, listable, make_pair, tradable

QUOTES: tuple[tuple[str, int, float, float], ...] = (
    ("BTC", 440, 0.5, 0.03),
    ("USDT", 480, 0.85, 0.3),
    ("BNB", 280, 0.2, 0.01),
    ("ETH", 225, 0.25, 0.02),
    ("BUSD", 380, 0.0, 0.0),
    ("TUSD", 66, 0.1, 0.005),
    ("TRY", 158, 0.95, 0.01),
    ("EUR", 57, 0.7, 0.01),
    ("USDC", 150, 0.95, 0.05),
    ("FDUSD", 50, 0.9, 0.06),
    ("BRL", 37, 0.9, 0.004),
    ("PAX", 34, 0.0, 0.0),
    ("BIDR", 42, 0.0, 0.0),
)
"""Quote, number of pairs, share of them that trades, share of the coin's volume."""
ALWAYS_TRADED = 15
"""The biggest coins are never halted where anything trades."""
BEGIN = 1_502_942_400
"""2017-08-17 04:00, when the first pairs were listed."""
LAST_HALT = 1_767_225_600
"""2026-01-01: no pair was halted since."""
DOWN = ((1_593_309_600, 1_593_320_400), (1_788_058_800, 1_788_066_000))
"""2020-06-28 02:00 to 05:00, as recorded; 2026-08-30 03:00 to 05:00, made up. UTC, seconds."""
TEST_SYMBOL = ("123456", "123", "456")
"""A real symbol of theirs that breaks those who read quotes off the end."""


def trading_pairs(market: SeededMarket) -> list[Pair]:
    """All pairs in the order of the list; halted ones are those with ``delisted``."""
    pairs = list(_pairs(market))
    symbol, base, quote = TEST_SYMBOL
    test = Pair(
        len(pairs), symbol, base, quote, 0, 0, Beat(1000, 0), 8, 8, 0.0, listed=BEGIN, delisted=BEGIN + 90 * DAY
    )
    return [*pairs, test]


def _pairs(market: SeededMarket) -> Iterator[Pair]:
    assets = tradable(market)
    place = 0
    for quote, wanted, _, share in QUOTES:
        against = assets.get(quote)
        if against is None and quote not in MONEY:
            continue
        fit = [(base, coin) for base, coin in assets.items() if listable(market, coin, quote, against)]
        for base, coin in fit[:wanted]:
            symbol = base + quote
            seconds = 1 if coin < ALWAYS_TRADED else 2 + int(market.unit(f"{symbol}/beat") * 28)
            beat = market.beat(symbol, seconds * 1000)
            listed = _listed(market, symbol, coin, against)
            yield make_pair(
                market,
                symbol,
                (base, quote),
                coin,
                against,
                listed=listed,
                delisted=_halted(market, symbol, quote, coin, listed),
                down=DOWN,
                place=place,
                beat=beat,
                share=share,
                decimals=(8, 5),
            )
            place += 1


def _listed(market: SeededMarket, symbol: str, coin: int, against: int | None) -> int:
    """The big ones early, the others at some hour of the years since; not before there is a price of both."""
    born = max(market.born(coin), 0 if against is None else market.born(against))
    hours = int(market.unit(f"{symbol}/listed") * 2800 * 24) if coin >= ALWAYS_TRADED else coin * 24 * 45
    return max(born, BEGIN + hours * 3600)


def _halted(market: SeededMarket, symbol: str, quote: str, coin: int, listed: int) -> int | None:
    """When it was halted; None for those that trade."""
    trading = next(share for name, _, share, _ in QUOTES if name == quote)
    if (trading and coin < ALWAYS_TRADED) or listed > LAST_HALT - 60 * DAY:
        return None
    if market.unit(f"{symbol}/halted") < trading:
        return None
    return listed + int((LAST_HALT - listed) * (0.2 + 0.8 * market.unit(f"{symbol}/halt"))) // 3600 * 3600
