"""A picture for a report, PNG or SVG by its name: title, source and period in it, axes with their units.

Drawn without a screen, and the same for the same answer: no time of drawing in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.answer import Answer, NothingFound, TooMany
from cryptoproxy.queries.output import bars, flow, ranked, sources
from cryptoproxy.queries.output.chart import Chart
from cryptoproxy.queries.output.marks import LINES

LEAST = len(LINES)
"""Assets that every picture can show."""
SUFFIXES = (".png", ".svg")
INCH = 0.26
"""Height of a bar."""

STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a picture looks the same everywhere
    "font.size": 9,
    "text.parse_math": False,  # a symbol is $WIF, not a formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "svg.hashsalt": "cryptoproxy",
    "svg.fonttype": "none",
}

_DRAWN: Mapping[str, Callable[[Answer[Any], Sequence[Any]], Chart]] = {
    "percentiles": ranked.percentiles,
    "average": ranked.average,
    "moves": ranked.moves,
    "volatility": ranked.volatility,
    "latest": ranked.latest,
    "freshness": sources.freshness,
    "candles": bars.candles,
    "indicators": bars.indicators,
    "trades": flow.trades,
    "spread": flow.spread,
    "depth": flow.depth,
    "sentiment": sources.sentiment,
    "market": sources.market,
}


class TooManyLines(TooMany):
    """``most`` assets can be read in one picture."""

    def __init__(self, lines: int, most: int) -> None:
        super().__init__(f"{lines} assets are too many for one picture; name --symbols or --top (up to {most})")
        self.most = most


def plot(answer: Answer[Any], file: Path) -> None:
    """Raises:
    ValueError: a file of another kind.
    TooManyLines: more assets than a picture can show.
    OperatorError: the file cannot be written.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{file} must end in .png or .svg")
    rows = answer.held()
    if not rows:
        raise NothingFound("there is nothing to draw")
    chart = _DRAWN[answer.question](answer, rows)
    if chart.lines > chart.most:
        raise TooManyLines(chart.lines, chart.most)
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Chinese and the like in a symbol: an empty box, and the asset's id beside it.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        figure = Figure(figsize=(9, chart.height or max(2.8, 1.7 + INCH * chart.lines)), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        panels = (1.0, *(each.height for each in chart.below))
        axes, *below = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=panels)[:, 0]
        chart.draw(axes)
        for part, panel in zip(below, chart.below, strict=True):
            panel.draw(part)
        texts = [figure.suptitle(chart.title, ha="left", fontweight="bold", fontsize=12)]
        axes.set_title(f"{chart.where}\n{answer.covers}", loc="left", fontsize=9, color="#555555", pad=10)
        if chart.foot:
            texts.append(figure.supxlabel(chart.foot, ha="left", fontsize=7.5, color="#666666"))
        figure.draw_without_rendering()  # the layout says where the axes begin, and the words begin there, too
        for each in texts:
            each.set_x(axes.get_position().x0)
        _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    undated = {"Date": None} if file.suffix.lower() == ".svg" else {"Software": None}
    try:
        figure.savefig(file, metadata=undated)
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be written: {error.strerror or error}", remedy="Name another file for --plot"
        ) from error
