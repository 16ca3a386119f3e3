"""The quote currency of an exchange's symbol: from its own list, else by a table of suffixes, else ``UNKNOWN``.

A quote is a part of the record's id, so it is never guessed and never changes. ``DOTUSD`` is in TUSD or in USD, and
``XYZUSD`` may be in a ZUSD that no table knows: only a suffix that fits alone and ends no other quote tells anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from cryptoproxy.datasets.fields import QUOTE_PATTERN

UNKNOWN = "UNKNOWN"

STABLE = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USDE", "USD1", "RLUSD", "PYUSD", "XUSD", "DAI")
COINS = ("BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "DOT")
NATIONAL = ("USD", "EUR", "GBP", "AUD", "JPY", "BRL", "TRY", "ARS", "MXN", "COP", "CZK", "PLN", "RON", "RUB", "UAH")

_quote = re.compile(QUOTE_PATTERN.replace("$", r"\Z"))


def by_suffix(symbol: str, quotes: frozenset[str]) -> str:
    """``ETHBTC`` → ``BTC``. A symbol that is a quote and nothing else has no base, so it tells nothing."""
    found = [quote for quote in quotes if symbol.endswith(quote) and len(symbol) > len(quote)]
    return found[0] if len(found) == 1 and not _ends_another(found[0], quotes) else UNKNOWN


@lru_cache(maxsize=256)
def _ends_another(quote: str, quotes: frozenset[str]) -> bool:
    return any(other.endswith(quote) for other in quotes if other != quote)


class Quotes:
    """What is known of one market's quote currencies. What was once told stays, be it ``UNKNOWN``: an asset has one
    id. A symbol that nothing tells waits until the exchange's list was read anew; if that does not tell it either, it
    is ``UNKNOWN`` for good. One thread reads answers and another one lists; each change is a single step.
    """

    def __init__(self, rule: Callable[[str], str]) -> None:
        self._rule = rule
        self.known: dict[str, str] = {}
        self.waiting: set[str] = set()
        """Symbols that came up and that nothing tells: a reason to read the list anew."""
        self.waits = True
        """False where no list is read any more (a single poll): what nothing tells is ``UNKNOWN`` at once."""
        self.settled = False
        """Whether a list was read, or refused, at all."""

    def of(self, symbol: str) -> str | None:
        """None while it waits for the list."""
        return self.known.get(symbol) or self._by_rule(symbol)

    def learn(self, listed: Mapping[str, str]) -> int:
        """Takes over what an exchange's list says; returns how many of its quotes are usable."""
        usable = {symbol: quote for symbol, quote in listed.items() if _quote.match(quote)}
        self.known.update((symbol, quote) for symbol, quote in usable.items() if symbol not in self.known)
        return len(usable)

    def settle(self, asked: Iterable[str]) -> None:
        """The list was read, or there is none, after ``asked`` had come up: nothing else will tell them."""
        self.settled = True
        self.known.update((symbol, UNKNOWN) for symbol in asked if symbol not in self.known)
        self.waiting.difference_update(asked)

    def _by_rule(self, symbol: str) -> str | None:
        quote = self._rule(symbol)
        if quote == UNKNOWN:
            self.waiting.add(symbol)
            if self.waits:
                return None
            self.settle((symbol,))
        return quote
