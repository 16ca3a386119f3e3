"""How CoinGecko writes numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime

IMAGES = "https://coin-images.coingecko.com/coins/images/"
TRUE = ("true", "True")


def money(value: float) -> int | float:
    """Rounded as CoinGecko does: no decimals for the large (an int), two to eight for the rest, then six digits."""
    if value >= 25_000:
        return round(value)
    for least, decimals in ((1.1, 2), (1.0, 3), (0.05, 6), (1e-6, 8)):
        if value >= least:
            return round(value, decimals)
    return float(f"{value:.6g}")


def change(value: float) -> int | float:
    """Gains are rounded like money, losses come with all their digits: so it is in the recordings."""
    return money(value) if value > 0 else value


def stamp(ms: int) -> str:
    """``2026-03-20T04:01:00.601Z``."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
