"""How values, assets and times are written on axes, the same in every picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, NullFormatter

from cryptoproxy.datasets.fields import Unit
from cryptoproxy.errors import visible
from cryptoproxy.queries.answer import Answer
from cryptoproxy.queries.fields import FIELDS
from cryptoproxy.queries.periods import written
from cryptoproxy.queries.scope import AssetRef

BLUE, ORANGE, GREY, DARK = "#2f6db3", "#d9662b", "#9aa5b1", "#1f2d3d"
# Okabe and Ito's colours, which people with any colour vision tell apart, and two more.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6bb1", "#7f7f7f", "#a6761d")
# By year, month, day, hour, minute, second; and where the smaller parts are zero.
_TIMES = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_TIMES_AT_ZERO = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
PERCENT = FuncFormatter(lambda value, _: f"{value:.4g} %")
SHARE = FuncFormatter(lambda value, _: f"{value * 100:.4g} %")
SHARE_OF_ALL = FuncFormatter(lambda value, _: f"{value * 100:.4g} %" if value <= 1 else "")
"""Of an axis that needs room for words beyond 100 %."""
_AMOUNTS = ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " K"))
MONEY = FuncFormatter(lambda value, _: _amount(value))
"""2.51 T, as people write what a market is worth."""
_WIDE = 50
"""Ratio of largest to smallest beyond which an axis is logarithmic."""
DRAWABLE = 1e300
"""What is larger leaves no room for an axis around it."""


def _amount(value: float) -> str:
    unit, name = next((each for each in _AMOUNTS if abs(value) >= each[0]), (1.0, ""))
    return f"{value / unit:.4g}{name}"


def drawable(*values: float | None) -> bool:
    return all(value is not None and abs(value) <= DRAWABLE for value in values)


def shade(colour: str, strength: float) -> tuple[float, float, float]:
    """Between a light tint (0) and the colour itself (1); solid, so that a legend shows what the picture has."""
    red, green, blue = (1 - (1 - each) * (0.15 + 0.85 * strength) for each in to_rgb(colour))
    return red, green, blue


def name(asset: AssetRef, among: Sequence[AssetRef]) -> str:
    """The symbol, with what tells it from others of that symbol."""
    same = [each for each in among if each.symbol == asset.symbol and each.identity != asset.identity]
    parts = [asset.symbol]
    # Blanks and controls show nothing, and of other scripts the font may have no letters.
    plain = asset.symbol.isascii() and asset.symbol.isprintable() and not asset.symbol.isspace()
    if not plain or any(each.asset_id != asset.asset_id for each in same):
        parts.append(asset.asset_id)
    if any(each.quote != asset.quote for each in same):
        parts.append(asset.quote)
    if any(each.source != asset.source for each in same):
        parts.append(asset.source)
    text = visible(" ".join(parts))
    return f" {text}" if text.startswith("_") else text  # matplotlib leaves such out of a legend


def names(axes: Axes, assets: Sequence[AssetRef]) -> None:
    axes.set_yticks(range(len(assets)), [name(asset, assets) for asset in assets])
    axes.set_ylim(-0.7, len(assets) - 0.3)
    axes.grid(visible=False, axis="y")


def where_of(answer: Answer[Any], assets: Sequence[AssetRef]) -> str:
    """Source and quote, of the assets that are drawn."""
    sources = ", ".join(dict.fromkeys(each.source for each in assets)) or answer.where
    quotes = list(dict.fromkeys(each.quote for each in assets))
    quoted = f"{sources}, quoted in {', '.join(quotes)}" if len(quotes) <= 3 else sources
    chosen = answer.asked.scope.chosen
    return f"{quoted}, the {len(chosen)} most traded" if chosen else quoted


def label(field: str, assets: Sequence[AssetRef]) -> str:
    """The field with its unit, by name where all assets share the quote."""
    quotes = {asset.quote for asset in assets}
    words = {
        Unit.QUOTE: quotes.pop() if len(quotes) == 1 else "each in its quote",
        Unit.BASE: "base units",
        Unit.PERCENT: "percent",
        Unit.FRACTION: "shown in percent",
        Unit.MILLISECONDS: "ms",
        Unit.COUNT: "",
    }
    word = words[FIELDS[field]]
    return f"{field}, {word}" if word else field


def value_axis(axis: Any, field: str, values: Sequence[float]) -> None:
    """Numbers with their unit; logarithmic where positive values span too much for a linear one."""
    unit = FIELDS[field]
    low, high = min(values), max(values)
    if unit is Unit.FRACTION:
        axis.set_major_formatter(SHARE)
    elif unit is Unit.PERCENT:
        axis.set_major_formatter(PERCENT)
    elif low > 0 and high / low > _WIDE:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    if abs(value) >= 1e16:
        return f"{value:.3g}"
    for size, word in ((1e12, " T"), (1e9, " B"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:g}{word}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def outside_legend(axes: Axes, title: str | None = None) -> None:
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.005, 1), fontsize=7.5, frameon=False, borderaxespad=0,
        title=title, title_fontsize=7.5, alignment="left",
    )  # fmt: skip


def time_axis(axes: Axes, begin_ms: int, end_ms: int) -> None:
    """In UTC, with the years in its label, as its ticks have none."""
    locator = AutoDateLocator(minticks=4, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator, formats=_TIMES, zero_formats=_TIMES_AT_ZERO, show_offset=False
        )
    )
    axes.set_xlabel(f"time, UTC: {written(begin_ms)} to {written(end_ms)}")


def moment(ms: int) -> Any:
    """For an axis of time; matplotlib's types lack it."""
    return datetime.fromtimestamp(ms / 1000, UTC)
