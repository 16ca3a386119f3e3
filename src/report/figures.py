"""The plots of a report, each a figure of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.errors import visible
from cryptoproxy.queries.output.marks import BLUE, DARK, GREY, ORANGE, SHARE, moment, name, short, time_axis
from cryptoproxy.report.gather import Stat
from cryptoproxy.report.holdings import Portfolio
from cryptoproxy.report.risk import below_high, returns_of

WIDE = 8.0
"""Inches; what a page has between its margins."""
MOST = 20


def changes(stats: Sequence[Stat]) -> Figure:
    """A bar for each asset, the largest rise at the top."""
    shown = sorted(stats[:MOST], key=lambda each: each.change)
    assets = [each.asset for each in shown]
    figure = Figure(figsize=(WIDE, 0.9 + 0.22 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    colours = [BLUE if each.change >= 0 else ORANGE for each in shown]
    axes.barh(range(len(shown)), [each.change for each in shown], color=colours)
    axes.set_yticks(range(len(shown)), [name(asset, assets) for asset in assets])
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.xaxis.set_major_formatter(SHARE)
    of = f", of the {MOST} that moved most" if len(stats) > MOST else ""
    axes.set_xlabel(f"from the day's open to its close{of}")
    return figure


def values(found: Portfolio) -> Figure:
    """The value by day, and below it how far it was from its high."""
    figure = Figure(figsize=(WIDE, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    # A close is of the day's end.
    times = [moment(day + DAY_MS) for day in found.days]
    above.plot(times, found.values, color=BLUE, linewidth=1.4)
    above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    above.set_ylabel(f"value, {found.quote}")
    below.fill_between(times, below_high(found.values), 0, color=ORANGE, alpha=0.6, linewidth=0)
    below.yaxis.set_major_formatter(SHARE)
    below.set_ylabel("below its high")
    time_axis(below, found.days[0], found.days[-1] + DAY_MS)
    return figure


def returns(found: Portfolio) -> Figure:
    """How often a day brought how much, with the values at risk."""
    said = returns_of(found.values)
    said = said[np.isfinite(said)]
    figure = Figure(figsize=(WIDE, 2.8), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(said, bins=max(5, min(40, math.isqrt(len(said)) * 2)), color=GREY)
    for (share, lost), style in zip(found.risk.at_risk.items(), ("-", "--"), strict=True):
        if lost is not None:
            axes.axvline(-lost, color=ORANGE, linestyle=style, label=f"value at risk, {share:.0%}: {lost:.2%}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7.5, frameon=False)
    axes.xaxis.set_major_formatter(SHARE)
    axes.set_xlabel("return of a day")
    axes.set_ylabel("days")
    return figure


def correlations(found: Portfolio) -> Figure:
    """Of the returns of each two positions."""
    shown = found.correlation[:MOST, :MOST]
    assets = [each.asset for each in found.held[:MOST]]
    labels = [visible(name(asset, assets)) for asset in assets]
    figure = Figure(figsize=(WIDE, 1.6 + 0.34 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shown, vmin=-1, vmax=1, cmap="RdBu", aspect="auto")
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.grid(visible=False)
    for row, line in enumerate(shown):
        for column, value in enumerate(line):
            if np.isfinite(value):
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                          color="white" if abs(value) > 0.6 else DARK)  # fmt: skip
    figure.colorbar(image, ax=axes, label="correlation of daily returns")
    return figure
