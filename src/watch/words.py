"""An alert in a sentence."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from cryptoproxy.datasets import DATASETS
from cryptoproxy.watch.rulebook.rules import Condition, Series

if TYPE_CHECKING:
    from cryptoproxy.watch.cases import Leaf

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))


SMALLEST = 1e-12
"""From here on a number is written out: nobody reads a price as 1.2345e-07."""


def span(milliseconds: float) -> str:
    """``3600000`` → ``1h``: in the largest unit that gives a whole number."""
    size, unit = next(((size, unit) for size, unit in _UNITS if milliseconds % size == 0), (1_000, "s"))
    return f"{milliseconds / size:g}{unit}"


def number(value: float) -> float | None:
    """As it stands in a record, where there is no NaN: seven digits tell all that a gauge knows."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def shown(value: float) -> str:
    """As a person reads it."""
    if not math.isfinite(value):
        return "?"
    if abs(value) >= 1_000_000:
        return f"{value:,.0f}"
    if abs(value) >= 100_000:
        return f"{value:.1f}".removesuffix(".0")
    text = f"{value:.6g}"
    return f"{Decimal(text):f}" if abs(value) >= SMALLEST else text


def unit_of(series: Series, key: str) -> str | None:
    """Of a field; of money the asset's own quote."""
    column = next(each for each in DATASETS[series.dataset].columns if each.name == series.field)
    if column.unit is None:
        return None
    return {"quote": key.rsplit(":", maxsplit=1)[-1], "percent": "%"}.get(column.unit, str(column.unit))


def sentence(symbol: str, condition: Condition, leaf: Leaf | None, *, opens: bool, quote: str) -> str:
    """What has begun or ended."""
    kind, options = condition.of_kind, condition.options
    figure = leaf.figure if leaf else math.nan
    column = next(each for each in DATASETS[condition.of.dataset].columns if each.name == condition.of.field)
    unit = f" {quote}" if column.unit == "quote" and quote != "-" else ""
    parts = {
        "symbol": symbol,
        "of": str(condition.of),
        "value": shown(
            abs(figure) if opens and kind.negative else round(figure, 2) + 0.0 if kind.unit else figure
        )  # no -0
        if math.isfinite(figure)
        else "?",
        "level": f"{shown(leaf.level if leaf else math.nan)}{unit}",
        "normal": shown(leaf.normal if leaf else math.nan),
        "why": leaf.why if leaf else "",
        "threshold": shown(condition.threshold),
        "threshold_span": span(condition.threshold * 1000),
        "clear": shown(condition.clear),
        "of_change": f" change of {span(options['change'])}" if options.get("change") else "",
        **{key: span(value) if key in ("within", "change") and value else value for key, value in options.items()},
    }
    return (kind.sentence if opens else kind.over or kind.sentence).format_map(parts)
