"""Which topics of streams show what is not closed yet: changes of books, open candles."""

from __future__ import annotations

_BINANCE, _BYBIT = ("depth", "kline"), ("orderbook", "kline")


def symbol_of(topic: str) -> str | None:
    """``btcusdt@depth@100ms``, ``kline.1.BTCUSDT`` → ``BTCUSDT``; None of any other."""
    symbol, _, kind = topic.partition("@")
    if kind:
        return symbol.upper() if kind.startswith(_BINANCE) else None
    kind, _, rest = topic.partition(".")
    return rest.rpartition(".")[2] if kind in _BYBIT and rest else None
