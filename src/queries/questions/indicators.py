"""What TA-Lib makes of candles: averages, Bollinger bands, RSI, MACD. Its values as they are, bar by bar.

An indicator needs bars before it has a value: until then it is None. Missing bars are stepped over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.answer import Cell, Look, asset_columns
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions import candles
from cryptoproxy.queries.questions.candles import Bar, Candles
from cryptoproxy.queries.scope import AssetRef, Scope

DEFAULT = "sma:20,ema:12,macd,rsi:14,bollinger:20"
_MOST = 10_000
"""The longest look back that TA-Lib is asked for."""


@dataclass(frozen=True, slots=True)
class Function:
    """One of TA-Lib: its parameters with their defaults, and what it gives, in its order."""

    name: str
    defaults: Mapping[str, int]
    gives: tuple[str, ...] = ("",)


KNOWN = {
    "sma": Function("SMA", {"timeperiod": 20}),
    "ema": Function("EMA", {"timeperiod": 20}),
    "rsi": Function("RSI", {"timeperiod": 14}),
    "bollinger": Function("BBANDS", {"timeperiod": 20}, ("upper", "", "lower")),
    "macd": Function("MACD", {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9}, ("", "signal", "histogram")),
}


@dataclass(frozen=True, slots=True)
class Indicator:
    """``macd:12:26:9`` as a person writes it; without numbers, the usual ones."""

    name: str
    numbers: tuple[int, ...]

    @property
    def function(self) -> Function:
        return KNOWN[self.name]

    @property
    def columns(self) -> tuple[str, ...]:
        """``sma_20``, ``bollinger_20_upper``, ``bollinger_20`` (its middle), ``macd_12_26_9_signal``."""
        own = "_".join((self.name, *map(str, self.numbers)))
        return tuple(f"{own}_{each}" if each else own for each in self.function.gives)

    @property
    def back(self) -> int:
        """Bars before one after which its value does not change by a billionth any more, however many came earlier.

        An average of n bars needs n; one that forgets by 1/n a bar, as RSI does and EMA and MACD do twice as fast,
        knows exp(-22) of what was 22 n bars before.
        """
        longest = max(self.numbers)
        return longest if self.name in ("sma", "bollinger") else 22 * longest

    @property
    def heads(self) -> tuple[str, ...]:
        """``SMA 20``; of several values the others by their own words: ``signal``."""
        return tuple(each or str(self) for each in self.function.gives)

    def __str__(self) -> str:
        return (
            f"{self.name.upper() if len(self.name) < 5 else self.name.capitalize()} {', '.join(map(str, self.numbers))}"
        )


def indicator(text: str) -> Indicator:
    """Raises:
    ValueError: none that is known, or numbers that it cannot have.
    """
    name, *numbers = text.strip().lower().split(":")
    if name not in KNOWN:
        raise ValueError(f"{text!r} is no indicator that is known: {', '.join(KNOWN)}; numbers stand behind a colon")
    defaults = KNOWN[name].defaults
    if len(numbers) > len(defaults) or not all(re.fullmatch(r"\d{1,5}", each, re.ASCII) for each in numbers):
        raise ValueError(f"{text!r}: {name} takes up to {len(defaults)} whole numbers, as {name}:{_usual(name)}")
    given = (*map(int, numbers), *list(defaults.values())[len(numbers) :])
    if not all(2 <= each <= _MOST for each in given):
        raise ValueError(f"{text!r}: a number of bars must be 2 to {_MOST}")
    return Indicator(name, given)


def _usual(name: str) -> str:
    return ":".join(map(str, KNOWN[name].defaults.values()))


@dataclass(frozen=True, slots=True)
class Indicators:
    of: Candles
    which: tuple[Indicator, ...]

    @property
    def scope(self) -> Scope:
        return self.of.scope

    @property
    def every(self) -> Interval:
        return self.of.every


@dataclass(frozen=True, slots=True)
class IndicatorsRow:
    """``values`` by column; None while an indicator warms up."""

    asset: AssetRef
    bar: Bar
    made_of: str
    values: Mapping[str, float | None]


def talib() -> Any:
    """Raises:
    OperatorError: it is not installed.
    """
    try:
        import talib as found
    except ImportError as error:
        raise OperatorError(
            f"indicators need TA-Lib, which is not installed ({error})",
            remedy="Install it: pip install -r requirements-indicators.txt, or pip install TA-Lib",
        ) from error
    return found


def rows(engine: Backend, request: Indicators, watch: Noting) -> Iterator[IndicatorsRow]:
    """Bar by bar of one asset, then of the next. One asset's bars are held."""
    library = talib()
    for asset, group in groupby(candles.rows(engine, request.of, watch), key=lambda row: row.asset):
        bars = list(group)
        columns = calculated(library, request.which, [row.bar for row in bars])
        names = list(columns)
        for row, values in zip(bars, zip(*columns.values(), strict=True), strict=True):
            yield IndicatorsRow(asset, row.bar, row.made_of, dict(zip(names, values, strict=True)))


def calculated(library: Any, which: Sequence[Indicator], bars: Sequence[Bar]) -> dict[str, list[float | None]]:
    """Of each indicator's column its values, as many as there are bars."""
    import numpy as np

    closes = np.array([each.close for each in bars], dtype=np.float64)
    found: dict[str, list[float | None]] = {}
    for each in which:
        parameters = dict(zip(each.function.defaults, each.numbers, strict=True))
        given: Any = getattr(library, each.function.name)(closes, **parameters)
        arrays = given if isinstance(given, tuple | list) else (given,)
        for name, array in zip(each.columns, arrays, strict=True):
            found[name] = [value if math.isfinite(value) else None for value in array.tolist()]
    return found


def columns(request: Indicators) -> tuple[Cell[IndicatorsRow], ...]:
    def value(name: str, words: str) -> Cell[IndicatorsRow]:
        return Cell(name, words, Look.NUMBER, lambda row: row.values[name])

    return (
        *asset_columns(lambda row: row.asset),
        *candles.bar_columns(lambda row: row.bar, whole=False),
        *(value(name, words) for each in request.which for name, words in zip(each.columns, each.heads, strict=True)),
        Cell("made_of", "made of", Look.TEXT, lambda row: row.made_of),
    )


def title(request: Indicators) -> str:
    return f"{', '.join(map(str, request.which))} of {request.every.text} candles"
