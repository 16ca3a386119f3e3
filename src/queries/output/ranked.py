"""Pictures with a line or a bar per asset: pure choices of marks, on axes that ``plot`` gives."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from cryptoproxy.queries.answer import Answer, NothingFound
from cryptoproxy.queries.output.chart import Chart, shown
from cryptoproxy.queries.output.marks import (
    BLUE,
    DARK,
    GREY,
    LINES,
    ORANGE,
    PERCENT,
    drawable,
    label,
    moment,
    name,
    names,
    outside_legend,
    shade,
    time_axis,
    value_axis,
    where_of,
)
from cryptoproxy.queries.output.text import number
from cryptoproxy.queries.periods import age, decimal
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.latest import LatestRow
from cryptoproxy.queries.questions.moves import Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow


def percentiles(answer: Answer[PercentilesRow], rows: Sequence[PercentilesRow]) -> Chart:
    """One bar per asset: from the outer percentiles to the inner ones darker, the median a mark."""
    request: Percentiles = answer.asked
    rows = shown(rows, lambda row: drawable(row.lowest, row.highest, *row.values.values()))
    ordered = sorted(rows, key=_spread)
    percents = sorted(request.percents)
    pairs = [(percents[i], percents[-1 - i]) for i in range(len(percents) // 2)]

    def draw(axes: Axes) -> None:
        for depth, (low, high) in enumerate(pairs):
            axes.hlines(
                range(len(ordered)),
                [row.values[low] or 0.0 for row in ordered],
                [row.values[high] or 0.0 for row in ordered],
                color=shade(BLUE, (depth + 1) / len(pairs)),
                linewidth=2 + 8 * (depth + 1) / len(pairs),
                label=f"{decimal(low)} % to {decimal(high)} %",
            )
        if len(percents) % 2:
            middle = percents[len(percents) // 2]
            marks = [row.values[middle] or 0.0 for row in ordered]
            word = "median" if middle == 50 else f"{decimal(middle)} %"
            axes.plot(marks, range(len(ordered)), "|", color=DARK, markersize=11, mew=2, label=word)
        names(axes, [row.asset for row in ordered])
        if min(row.lowest for row in rows) < 0 < max(row.highest for row in rows):
            axes.axvline(0, color=DARK, linewidth=0.8)
        value_axis(axes.xaxis, request.field, [value or 0.0 for row in rows for value in row.values.values()])
        axes.set_xlabel(label(request.field, [row.asset for row in rows]))
        outside_legend(axes, "percentiles")

    samples = sum(row.count for row in rows)
    return Chart(
        f"How {request.field} is spread",
        where_of(answer, [row.asset for row in rows]),
        len(rows),
        draw,
        f"Percentiles of {samples:,} samples, estimated by Elasticsearch (t-digest).",
    )


def average(answer: Answer[AverageRow], rows: Sequence[AverageRow]) -> Chart:
    """Lines over time; without steps, one bar per asset from lowest to highest with the mean on it."""
    request: Average = answer.asked
    rows = shown(rows, lambda row: drawable(row.average, row.lowest, row.highest))
    assets = list(dict.fromkeys(row.asset for row in rows))
    where, field = where_of(answer, assets), request.field
    if request.every is None:
        ordered = sorted(rows, key=lambda row: row.average or 0.0)

        def draw_ranges(axes: Axes) -> None:
            places = range(len(ordered))
            lows, highs = [row.lowest for row in ordered], [row.highest for row in ordered]
            axes.hlines(places, lows, highs, color=BLUE, alpha=0.35, linewidth=6, label="lowest to highest")
            means = [row.average or 0.0 for row in ordered]
            axes.plot(means, places, "o", color=DARK, markersize=5, label="average")
            names(axes, [row.asset for row in ordered])
            value_axis(axes.xaxis, field, lows + highs)
            axes.set_xlabel(label(field, assets))
            outside_legend(axes)

        foot = f"Mean over {_over(rows)}, of {sum(row.count for row in rows):,} samples."
        return Chart(f"Average {field}", where, len(rows), draw_ranges, foot)

    def draw_lines(axes: Axes) -> None:
        for asset, colour in zip(assets, LINES, strict=False):
            own = [row for row in rows if row.asset == asset]
            times = [moment(row.begin_ms) for row in own]
            means = [row.average or 0.0 for row in own]
            axes.plot(times, means, color=colour, linewidth=1.6, label=name(asset, assets),
                      marker="o" if len(own) <= 60 else None, markersize=3)  # fmt: skip
            axes.fill_between(
                times, [row.lowest for row in own], [row.highest for row in own], color=colour, alpha=0.15, linewidth=0
            )
        value_axis(axes.yaxis, field, [value for row in rows for value in (row.lowest, row.highest)])
        time_axis(axes, min(row.begin_ms for row in rows), max(row.begin_ms for row in rows))
        axes.set_ylabel(label(field, assets))
        outside_legend(axes)

    foot = f"Mean over {_over(rows)} of each {request.every.words}; the shade is from its lowest to its highest sample."
    title = f"Average {field} by {request.every.words}"
    return Chart(title, where, len(assets), draw_lines, foot, height=4.6, most=len(LINES))


def moves(answer: Answer[MovesRow], rows: Sequence[MovesRow]) -> Chart:
    """Falls to the left, rises to the right; the larger the threshold, the darker."""
    request: Moves = answer.asked
    thresholds = sorted(request.thresholds)
    ordered = sorted(rows, key=lambda row: row.up(thresholds[0]) + row.down(thresholds[0]))

    def draw(axes: Axes) -> None:
        places = range(len(ordered))
        for depth, each in enumerate(thresholds, start=1):
            strength = depth / len(thresholds)
            axes.barh(places, [row.up(each) for row in ordered], color=shade(BLUE, strength), height=0.7,
                      label=f"rose {decimal(each)} % or more")  # fmt: skip
            axes.barh(places, [-row.down(each) for row in ordered], color=shade(ORANGE, strength), height=0.7,
                      label=f"fell {decimal(each)} % or more")  # fmt: skip
        names(axes, [row.asset for row in ordered])
        axes.axvline(0, color=DARK, linewidth=0.8)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value) * 100:.4g} %"))
        axes.set_xlabel("share of samples: fell (left), rose (right)")
        outside_legend(axes)

    return Chart(
        f"How often prices move: change over {request.window}",
        where_of(answer, [row.asset for row in rows]),
        len(rows),
        draw,
        f"{sum(row.samples for row in rows):,} samples of the source's own change over {request.window}.",
    )


def volatility(answer: Answer[VolatilityRow], rows: Sequence[VolatilityRow]) -> Chart:
    """The most volatile on top: lowest to highest return as a line, one standard deviation about zero as a bar."""
    request: Volatility = answer.asked
    rows = shown(rows, lambda row: drawable(row.deviation, row.lowest, row.highest, row.largest))
    ordered = list(reversed(rows))
    deviations = [row.deviation or 0.0 for row in ordered]

    def draw(axes: Axes) -> None:
        places = range(len(ordered))
        axes.hlines(places, [r.lowest or 0.0 for r in ordered], [r.highest or 0.0 for r in ordered], color=GREY,
                    linewidth=1.4, zorder=1, label="lowest to highest return")  # fmt: skip
        axes.barh(places, [2 * each for each in deviations], left=[-each for each in deviations], color=BLUE,
                  height=0.6, zorder=2, label="± one standard deviation")  # fmt: skip
        axes.plot([r.largest or 0.0 for r in ordered], places, "o", color=ORANGE, markersize=4, label="largest move")
        for place, row, deviation in zip(places, ordered, deviations, strict=True):
            end = max(row.highest or 0.0, deviation)
            axes.annotate(f"σ {number(deviation)} %", (end, place), xytext=(6, 0), textcoords="offset points",
                          va="center", fontsize=7, color="#444444")  # fmt: skip
        axes.axvline(0, color=DARK, linewidth=0.8)
        axes.margins(x=0.12)
        names(axes, [row.asset for row in ordered])
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlabel(f"return of the last price from one {request.window.step} to the next, percent")
        outside_legend(axes)

    return Chart(
        f"Volatility: returns from one {request.window.step} to the next",
        where_of(answer, [row.asset for row in rows]),
        len(rows),
        draw,
        f"{sum(row.returns for row in rows):,} returns between disjoint windows ({request.window.words}).",
    )


def latest(answer: Answer[LatestRow], rows: Sequence[LatestRow]) -> Chart:
    """The 24 h change at the newest record, with the price beside it."""
    if all(row.change_24h is None for row in rows):
        raise NothingFound(f"{answer.where} sends no change over 24 h, which is what this picture shows")
    ordered = sorted(shown(rows, lambda row: drawable(row.change_24h)), key=lambda row: row.change_24h or 0.0)

    def draw(axes: Axes) -> None:
        values = [row.change_24h or 0.0 for row in ordered]
        axes.barh(range(len(ordered)), values, color=[BLUE if each >= 0 else ORANGE for each in values], height=0.7)
        for place, (row, value) in enumerate(zip(ordered, values, strict=True)):
            axes.annotate(f"{number(row.price)} {row.asset.quote}", (value, place), fontsize=7, va="center",
                          xytext=(5 if value >= 0 else -5, 0), textcoords="offset points",
                          ha="left" if value >= 0 else "right", color="#444444")  # fmt: skip
        axes.axvline(0, color=DARK, linewidth=0.8)
        axes.margins(x=0.16)
        names(axes, [row.asset for row in ordered])
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("change over 24 h at the newest record, percent")

    oldest = max(row.age_ms for row in ordered)
    return Chart(
        "Last price and 24 h change",
        where_of(answer, [row.asset for row in ordered]),
        len(ordered),
        draw,
        f"Beside each bar: the last price. The oldest record shown is {age(oldest)} old.",
    )


def _over(rows: Sequence[AverageRow]) -> str:
    return "time" if all(row.over_time for row in rows) else "samples"


def _spread(row: PercentilesRow) -> float:
    values = [each or 0.0 for each in row.values.values()]
    return max(values) - min(values)
