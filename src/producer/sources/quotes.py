"""The quote currency of an exchange's symbol: from its own list, else by a table of suffixes, else ``UNKNOWN``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from cryptoproxy.common.record.contract import QUOTE_PATTERN

UNKNOWN = "UNKNOWN"

_STABLE = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USDE", "USD1", "RLUSD", "PYUSD", "XUSD", "DAI")
_COINS = ("BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "DOT")
_NATIONAL = ("USD", "EUR", "GBP", "AUD", "JPY", "BRL", "TRY", "ARS", "MXN", "COP", "CZK", "PLN", "RON", "RUB", "UAH")
_GONE = ("PAX", "VAI", "UST", "BIDR", "BKRW", "IDRT", "BVND", "ZAR", "NGN")


def _longest_first(*suffixes: str) -> tuple[str, ...]:
    """As BTCBUSD also ends with USD; of two suffixes of one length only one can fit."""
    return tuple(sorted(set(suffixes), key=len, reverse=True))


BINANCE = _longest_first(*_STABLE, *_COINS, *_NATIONAL, *_GONE, "EURI")
BYBIT_SPOT = _longest_first(*_STABLE, *_COINS, *_NATIONAL, "EURQ", "EURR", "USDQ", "USDR", "BRZ", "MNT")
BYBIT_LINEAR = ("USDT", "USDC", "USD")

# As suffix it would claim ADAEUR and GALAEUR, which are in euro.
_BINANCE_AEUR = frozenset({"BTCAEUR", "ETHAEUR", "EURAEUR"})

_quote = re.compile(QUOTE_PATTERN.replace("$", r"\Z"))
_dated = re.compile(r"-\d{1,2}[A-Z]{3}\d{2}\Z")  # BTC-26MAR26, BTCUSDT-26DEC25
_inverse = re.compile(r".+USD([FGHJKMNQUVXZ]\d{2})?\Z")  # BTCUSD, BTCUSDH23


def by_suffix(symbol: str, suffixes: tuple[str, ...]) -> str:
    """``ETHBTC`` → ``BTC``. A symbol that is a suffix and nothing else has no base, so it tells nothing."""
    for suffix in suffixes:
        if symbol.endswith(suffix) and len(symbol) > len(suffix):
            return suffix
    return UNKNOWN


@lru_cache(maxsize=16_384)
def of_binance(symbol: str) -> str:
    return "AEUR" if symbol in _BINANCE_AEUR else by_suffix(symbol, BINANCE)


@lru_cache(maxsize=16_384)
def of_bybit_spot(symbol: str) -> str:
    return by_suffix(symbol, BYBIT_SPOT)


@lru_cache(maxsize=16_384)
def of_bybit_linear(symbol: str) -> str:
    """``BTCPERP`` and ``BTC-26MAR26``, which name no quote, are the contracts in USDC."""
    pair = _dated.sub("", symbol)
    quote = by_suffix(pair, BYBIT_LINEAR)
    if quote == UNKNOWN and pair and (pair != symbol or (pair.endswith("PERP") and pair != "PERP")):
        return "USDC"
    return quote


@lru_cache(maxsize=16_384)
def of_bybit_inverse(symbol: str) -> str:
    """All of them are in USD, which DOTUSD, though it ends with TUSD, shows no suffix table could tell."""
    return "USD" if _inverse.match(symbol) else UNKNOWN


class Quotes:
    """What is known of one market's quote currencies. A list adds to older ones: a delisted pair keeps its quote,
    and with it the identity of its records."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self._rule = rule
        self._listed: dict[str, str] = {}

    def of(self, symbol: str) -> str:
        return self._listed.get(symbol) or self._rule(symbol)

    def learn(self, listed: Mapping[str, str]) -> int:
        """Takes over what an exchange's list says; returns how many of its quotes are usable."""
        usable = {symbol: quote for symbol, quote in listed.items() if _quote.match(quote)}
        self._listed.update(usable)
        return len(usable)
