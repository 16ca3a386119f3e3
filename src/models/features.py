"""What a model of the next bar may know when a bar is over: returns, volatility, volume, indicators, calendar.

One function for training and for the model at work, so that both mean the same by a name. Every column is of the bar
and of bars before it; only ``next_return``, which a model is asked for, is of the one after. A bar that is missing
leaves NaN where it would have been needed: nothing steps over a hole but TA-Lib's own averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.queries.questions import indicators
from cryptoproxy.queries.questions.candles import Bar

LAGS = (1, 2, 3, 6, 12, 24)
BACK = 24
FEATURES = (
    *(f"return_{lag}" for lag in LAGS), f"volatility_{BACK}", f"volume_{BACK}", "range", "rsi", "macd", "bollinger",
    "hour", "weekday",
)  # fmt: skip
NEXT = "next_return"
ENOUGH_BARS = 300
"""What RSI and MACD still know of bars before these is less than a 32-bit float tells."""
_INDICATORS = [indicators.indicator(each) for each in ("rsi:14", "macd", "bollinger:20")]
Values = npt.NDArray[np.float64]


def features(bars: Sequence[Bar], step_ms: int, library: Any) -> dict[str, Values]:
    """A column for each of ``FEATURES``, and ``NEXT``; a value for each bar, NaN where it is not known.

    Args:
        bars: of one asset, in the order of time, each once.
        library: TA-Lib, see :func:`~cryptoproxy.queries.questions.indicators.talib`.
    """
    begin = np.array([each.begin_ms for each in bars], dtype=np.int64)
    high, low, close, volume = (
        np.array([getattr(each, name) for each in bars], dtype=np.float64)  # None becomes NaN
        for name in ("high", "low", "close", "base_volume")
    )
    said = {
        name: np.array(values, dtype=np.float64)
        for name, values in indicators.calculated(library, _INDICATORS, bars).items()
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = {lag: _over(np.log(close), begin, lag, step_ms) for lag in LAGS}
        found = {f"return_{lag}": values for lag, values in returns.items()}
        found[f"volatility_{BACK}"] = _last(returns[1], BACK, lambda rows: np.std(rows, axis=1, ddof=1))
        whole = np.where(np.isnan(returns[BACK]), np.nan, volume)
        found[f"volume_{BACK}"] = whole / _last(volume, BACK, lambda rows: np.mean(rows, axis=1))
        found["range"] = np.log(high / low)
        found["rsi"] = said["rsi_14"] / 100
        found["macd"] = said["macd_12_26_9_histogram"] / close
        found["bollinger"] = (close - said["bollinger_20"]) / (said["bollinger_20_upper"] - said["bollinger_20_lower"])
    found["hour"] = (begin // HOUR_MS % 24).astype(np.float64)
    found["weekday"] = ((begin // DAY_MS + 3) % 7).astype(np.float64)  # 1970 began on a Thursday; Monday is 0
    found[NEXT] = np.append(returns[1][1:], np.nan)
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


def _over(values: Values, begin: npt.NDArray[np.int64], lag: int, step_ms: int) -> Values:
    """The difference to so many bars before, where that one is just so much earlier."""
    found = np.full(len(values), np.nan)
    if len(values) > lag:
        there = begin[lag:] - begin[:-lag] == lag * step_ms
        found[lag:] = np.where(there, values[lag:] - values[:-lag], np.nan)
    return found


def _last(values: Values, count: int, of: Any) -> Values:
    """Of the last so many values, this one among them; NaN where one of them is."""
    found = np.full(len(values), np.nan)
    if len(values) >= count:
        found[count - 1 :] = of(np.lib.stride_tricks.sliding_window_view(values, count))
    return found
