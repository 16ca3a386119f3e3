"""Positions and prices together: what they are worth, and what the days before tell of their risk. Pure.

What is held today is looked at as if it had been held on all days: that is the risk of having it now, not a history of
what somebody has earned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.scope import AssetRef
from cryptoproxy.report.positions import Position
from cryptoproxy.report.risk import Risk, Values, correlation, risk

Closes = Mapping[AssetRef, Mapping[int, float]]
"""Of each asset its closes by the begin of their day."""


class Held(NamedTuple):
    """Of one position at the day's end."""

    asset: AssetRef
    amount: float
    price: float
    value: float
    weight: float
    change: float | None
    """Since the day before; a fraction."""
    gain: float | None
    """Since it was paid; a fraction."""


class Portfolio(NamedTuple):
    """``values`` by day, the oldest first; NaN on a day that lacks a price of one of them."""

    quote: str
    held: list[Held]
    value: float
    missing: list[str]
    """Positions without a price on the day; they count nowhere."""
    days: list[int]
    values: Values
    risk: Risk
    correlation: Values


def portfolio(positions: Sequence[Position], closes: Closes, day_ms: int) -> Portfolio | None:
    """At the end of the day that begins at ``day_ms``; None where no position has a price then.

    Raises:
        OperatorError: their values cannot be added up, or it cannot be told which asset is meant.
    """
    found = {position: _asset(position, closes, day_ms) for position in positions}
    priced = [(position, asset) for position, asset in found.items() if asset is not None]
    missing = [position.name for position, asset in found.items() if asset is None]
    if not priced:
        return None
    quotes = sorted({asset.quote for _, asset in priced})
    if len(quotes) > 1:
        raise OperatorError(
            f"positions are quoted in {' and '.join(quotes)}, which cannot be added up",
            remedy="Name sources that quote alike, or make a file of positions for each quote",
        )
    days = list(range(min(min(closes[asset]) for _, asset in priced), day_ms + 1, DAY_MS))
    prices = np.array([[closes[asset].get(day, np.nan) for _, asset in priced] for day in days])
    worth = prices * np.array([position.amount for position, _ in priced])
    values = worth.sum(axis=1)
    total = float(values[-1])
    held = []
    for at, (position, asset) in enumerate(priced):
        price = float(prices[-1, at])
        before = closes[asset].get(day_ms - DAY_MS)
        held.append(
            Held(
                asset, position.amount, price, float(worth[-1, at]), float(worth[-1, at]) / total,
                None if before is None else price / before - 1,
                None if position.paid is None else price / position.paid - 1,
            )
        )  # fmt: skip
    held.sort(key=lambda each: -each.value)
    order = [[asset for _, asset in priced].index(each.asset) for each in held]
    return Portfolio(quotes[0], held, total, missing, days, values, risk(values), correlation(prices[:, order]))


def _asset(position: Position, closes: Closes, day_ms: int) -> AssetRef | None:
    there = [
        asset
        for asset, own in closes.items()
        if (asset.source, asset.asset_id) == (position.source, position.asset_id)
        and position.quote in ("", asset.quote)
        and day_ms in own
    ]
    if len(there) > 1:
        raise OperatorError(
            f"{position.name} is quoted in {', '.join(sorted(each.quote for each in there))}",
            remedy=f"Say which in the file of positions: {position.source}:{position.asset_id}:{there[0].quote}",
        )
    return there[0] if there else None
