"""A value as a person reads it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cryptoproxy.queries.answer import Kind
from cryptoproxy.queries.periods import Interval, age, written

_DIGITS = 5
_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"))


def number(value: float) -> str:
    """Five significant digits: ``97,431``, ``1.2346``, ``0.000012346``, ``1.2346B``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    for size, word in _LARGE:
        if abs(value) >= size:
            return f"{value / size:.2f} {word}"
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


_SHOWN: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: str,
    Kind.COUNT: lambda value: f"{value:,}",
    Kind.NUMBER: number,
    Kind.SHARE: lambda value: f"{value * 100:.2f} %",
    Kind.TIME: written,
    Kind.AGE: age,
    Kind.SPAN: lambda value: Interval.of_ms(value).text,
}


def shown(value: Any, kind: Kind) -> str:
    """Empty for None."""
    return "" if value is None else _SHOWN[kind](value)
