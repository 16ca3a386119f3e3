"""CoinGecko's answers made of what we have: prices, refusals. Beside the reading on purpose.

Without ``precision`` CoinGecko rounds prices, which the poller asks for in full: the larger, the fewer decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptoproxy.datasets import Ticker
from cryptoproxy.datasets.times import moment_of

Body = Mapping[str, Any]

FULL = "full"
_STEPS = ((25_000.0, 0), (1.1, 2), (1.0, 3), (0.05, 6), (1e-6, 8))
"""From so much on, so many decimals; below the last step six digits."""


def rounded(price: float, precision: str | None) -> float | int:
    """A price as asked for.

    Args:
        precision: ``full``, a number of decimals, or None for CoinGecko's own rounding.
    """
    if precision == FULL:
        return price
    if precision is not None:
        return round(price, int(precision))
    for least, decimals in _STEPS:
        if price >= least:
            return round(price, decimals) if decimals else round(price)
    return float(f"{price:.6g}")


def simple_price(ticker: Ticker, flags: Iterable[str], precision: str | None) -> dict[str, Any]:
    """What ``simple/price`` tells of one coin in the ticker's quote.

    Args:
        flags: of ``market_cap``, ``24hr_vol``, ``24hr_change``.
    """
    label = ticker.quote.lower()
    row: dict[str, Any] = {label: rounded(ticker.price, precision)}
    more = {
        "market_cap": (f"{label}_market_cap", ticker.market_cap),
        "24hr_vol": (f"{label}_24h_vol", ticker.volume_24h),
        "24hr_change": (f"{label}_24h_change", ticker.change_24h),
    }
    wanted = set(flags)
    return row | {name: value for flag, (name, value) in more.items() if flag in wanted}


def last_updated_at(ticker: Ticker) -> int | None:
    """Seconds."""
    return None if ticker.last_updated is None else moment_of(ticker.last_updated) // 1000


def chart(points: Iterable[tuple[int, float, float, float]]) -> Body:
    """What ``market_chart`` tells.

    Args:
        points: ms, price, market cap, volume of 24 h.
    """
    lists: dict[str, list[tuple[int, float]]] = {"prices": [], "market_caps": [], "total_volumes": []}
    for stamp_ms, *values in points:
        for each, value in zip(lists.values(), values, strict=True):
            each.append((stamp_ms, value))
    return lists


def missing(name: str) -> Body:
    """With 422."""
    return {"error": f"Missing parameter {name}"}


def error(status: int, words: str) -> Body:
    """Of our own refusals: those that clients wait upon have a code, others are words alone."""
    if status in (401, 429, 503):
        return {"status": {"error_code": status, "error_message": words}}
    return {"error": words}
