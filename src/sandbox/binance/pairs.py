"""The spot pairs of the stand-in: about as many for each quote, and as many of them halted, as on 2024-01-05."""

from __future__ import annotations

from collections.abc import Iterator

from cryptoproxy.sandbox.market import Beat, Market
from cryptoproxy.sandbox.pairs import MONEY, Pair, listable, make_pair, tradable

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
TEST_SYMBOL = ("123456", "123", "456")
"""A real symbol of theirs that breaks those who read quotes off the end."""


def trading_pairs(market: Market) -> tuple[list[Pair], frozenset[str]]:
    """All pairs in the order of the list, and the symbols of the halted ones."""
    pairs = list(_pairs(market))
    halted = {pair.symbol for pair in pairs if _halted(market, pair)}
    symbol, base, quote = TEST_SYMBOL
    pairs.append(Pair(len(pairs), symbol, base, quote, 0, 0, Beat(1000, 0), 8, 8, 0.0))
    return pairs, frozenset(halted | {symbol})


def _pairs(market: Market) -> Iterator[Pair]:
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
            yield make_pair(
                market, symbol, (base, quote), coin, against, place=place, beat=beat, share=share, decimals=(8, 5)
            )
            place += 1


def _halted(market: Market, pair: Pair) -> bool:
    trading = next(share for quote, _, share, _ in QUOTES if quote == pair.quote)
    if trading and pair.coin < ALWAYS_TRADED:
        return False
    return market.unit(f"{pair.symbol}/halted") >= trading
