"""What days of a value tell of its risk. Pure; values one a day, NaN for a day that is not known.

It is the past's: of days that were worse than all of these nothing is known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
YEAR_DAYS = 365
"""These markets close on no day."""
LEAST = {0.95: 20, 0.99: 100}
"""Returns that a value at risk needs: with fewer not one of them lies beyond it."""


class Risk(NamedTuple):
    """Fractions of 1; losses as positive ones. None where there are too few days."""

    returns: int
    volatility: float | None
    """Standard deviation of a day's return, as if for a year."""
    at_risk: dict[float, float | None]
    """By confidence: on so many of the days the loss was no larger (historical, one day)."""
    shortfall: float | None
    """The mean loss of the days beyond the first of these."""
    drawdown: float
    """The deepest fall from a high."""
    peak: int
    """Index of that high, and of the low after it."""
    trough: int


def returns_of(values: Values) -> Values:
    """From each day to the next; NaN where one of the two is not known. Along the first axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Values = values[1:] / values[:-1] - 1
    return found


def risk(values: Values) -> Risk:
    """
    Raises:
        ValueError: not one value is known.
    """
    if not np.isfinite(values).any():
        raise ValueError("no day is known")
    returns = returns_of(values)
    returns = returns[np.isfinite(returns)]
    at_risk = {
        share: max(0.0, -float(np.quantile(returns, 1 - share))) if len(returns) >= least else None
        for share, least in LEAST.items()
    }
    shortfall = None
    if at_risk[0.95] is not None:  # where no day lost anything, none lies beyond
        beyond = returns[returns <= -at_risk[0.95]]
        shortfall = max(0.0, -float(np.mean(beyond))) if len(beyond) else 0.0
    peak, trough, depth = drawdown(values)
    return Risk(
        returns=len(returns),
        volatility=float(np.std(returns, ddof=1)) * math.sqrt(YEAR_DAYS) if len(returns) > 1 else None,
        at_risk=at_risk,
        shortfall=shortfall,
        drawdown=depth,
        peak=peak,
        trough=trough,
    )


def below_high(values: Values) -> Values:
    """How far each value is below the highest before it: 0 or less."""
    high = np.fmax.accumulate(values)
    found: Values = values / high - 1
    return found


def drawdown(values: Values) -> tuple[int, int, float]:
    """Index of the high and of the low of the deepest fall, and its depth as a positive fraction."""
    below = below_high(values)
    trough = int(np.nanargmin(below))
    peak = int(np.nanargmax(values[: trough + 1]))
    return peak, trough, -float(below[trough]) + 0.0


def correlation(values: Values) -> Values:
    """Of the returns of each two columns, over the days that both have; NaN where that says nothing."""
    returns = returns_of(values)
    count = values.shape[1]
    found = np.full((count, count), np.nan)
    for one in range(count):
        for other in range(one, count):
            both = np.isfinite(returns[:, one]) & np.isfinite(returns[:, other])
            a, b = returns[both, one], returns[both, other]
            if len(a) > 2 and a.std() > 0 and b.std() > 0:
                found[one, other] = found[other, one] = float(np.corrcoef(a, b)[0, 1])
    return found
