"""What is drawn for each question: pure choices of marks, on axes that ``plot`` gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from cryptoproxy.queries.answer import Answer, NothingFound
from cryptoproxy.queries.output.marks import (
    BLUE,
    DARK,
    GREY,
    LINES,
    MONEY,
    ORANGE,
    PERCENT,
    SHARE_OF_ALL,
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
from cryptoproxy.queries.questions.freshness import FreshnessRow
from cryptoproxy.queries.questions.latest import LatestRow
from cryptoproxy.queries.questions.market import CAP, VOLUME, MarketFigures, MarketRow
from cryptoproxy.queries.questions.moves import Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow


@dataclass(frozen=True, slots=True)
class Panel:
    """Below the main one, over the same time; ``height`` as a share of that one's."""

    draw: Callable[[Axes], None]
    height: float = 0.3


@dataclass(frozen=True, slots=True)
class Chart:
    """``lines`` is how many bars or lines, ``most`` how many can be read; ``height`` in inches, None by the lines."""

    title: str
    where: str
    lines: int
    draw: Callable[[Axes], None]
    foot: str = ""
    height: float | None = None
    most: int = 40
    below: Sequence[Panel] = ()


R = TypeVar("R")


def _shown(rows: Sequence[R], fits: Callable[[R], bool]) -> list[R]:
    """The rows whose values an axis can hold.

    Raises:
        NothingFound: none.
    """
    found = [row for row in rows if fits(row)]
    if not found:
        raise NothingFound("no value is small enough to be drawn")
    return found


def percentiles(answer: Answer[PercentilesRow], rows: Sequence[PercentilesRow]) -> Chart:
    """One bar per asset: from the outer percentiles to the inner ones darker, the median a mark."""
    request: Percentiles = answer.asked
    rows = _shown(rows, lambda row: drawable(row.lowest, row.highest, *row.values.values()))
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
    rows = _shown(rows, lambda row: drawable(row.average, row.lowest, row.highest))
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
    rows = _shown(rows, lambda row: drawable(row.deviation, row.lowest, row.highest, row.largest))
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
    ordered = sorted(_shown(rows, lambda row: drawable(row.change_24h)), key=lambda row: row.change_24h or 0.0)

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


def freshness(answer: Answer[FreshnessRow], rows: Sequence[FreshnessRow]) -> Chart:
    """The share of missing slots, with age and duplicates in words."""
    ordered = list(reversed(rows))

    def draw(axes: Axes) -> None:
        shares = [row.missing_share or 0.0 for row in ordered]
        axes.barh(range(len(ordered)), shares, color=ORANGE, height=0.55)
        for place, (row, share) in enumerate(zip(ordered, shares, strict=True)):
            axes.annotate(_state(row), (share, place), xytext=(6, 0), textcoords="offset points", va="center",
                          fontsize=8, color="#333333")  # fmt: skip
        axes.set_xlim(0, max(0.01, max(shares) * 1.9))
        axes.set_yticks(range(len(ordered)), [row.series.name for row in ordered])
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(SHARE_OF_ALL)
        axes.set_xlabel("share of expected slots without any record")

    return Chart("Freshness and gaps of each source", answer.where, len(rows), draw)


def _state(row: FreshnessRow) -> str:
    missing = "interval unknown" if row.missing is None else f"{row.missing:,} of {row.expected:,} slots missing"
    return f"{missing}; newest {age(row.age_ms)} old; {row.duplicates:,} duplicates"


def sentiment(answer: Answer[SentimentRow], rows: Sequence[SentimentRow]) -> Chart:
    """Above, how many rose and how many fell; below, the mean and the median change."""
    request: Sentiment = answer.asked
    sources = list(dict.fromkeys(row.source for row in rows))
    shown = _shown([row for row in rows if row.source == sources[0]], lambda row: drawable(row.mean, row.median))
    times = [moment(row.begin_ms) for row in shown]

    def draw(axes: Axes) -> None:
        axes.fill_between(times, [row.gainers for row in shown], color=BLUE, alpha=0.75, linewidth=0, label="rose")
        axes.fill_between(times, [-row.losers for row in shown], color=ORANGE, alpha=0.75, linewidth=0, label="fell")
        axes.plot(times, [row.gainers - row.losers for row in shown], color=DARK, linewidth=1.2, label="rose less fell")
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
        axes.set_ylabel("assets")
        outside_legend(axes)

    def draw_change(axes: Axes) -> None:
        axes.plot(times, [row.mean or 0.0 for row in shown], color=BLUE, linewidth=1.4, label="mean")
        axes.plot(times, [row.median or 0.0 for row in shown], color=GREY, linewidth=1.4, label="median")
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_ylabel("24 h change, percent")
        time_axis(axes, shown[0].begin_ms, shown[-1].begin_ms)
        outside_legend(axes)

    others = f" {', '.join(sources[1:])}: --source chooses." if len(sources) > 1 else ""
    return Chart(
        f"Sentiment: how many assets rose and fell over 24 h, by {request.every.words}",
        sources[0],
        1,
        draw,
        f"At the newest poll of each {request.every.words}, of {shown[-1].assets:,} assets at the end.{others}",
        height=5.2,
        below=(Panel(draw_change, 0.6),),
    )


def market(answer: Answer[MarketRow], rows: Sequence[MarketRow]) -> Chart:
    """Cap, volume and shares over time, a panel each."""
    request: MarketFigures = answer.asked
    source = rows[0].source
    shown = _shown([row for row in rows if row.source == source], lambda row: drawable(row.figures.get(CAP)))
    times = [moment(row.begin_ms) for row in shown]

    def line(axes: Axes, values: Sequence[float | None], color: str, label: str) -> None:
        axes.plot(times, [float("nan") if each is None else each for each in values], color=color, linewidth=1.4,
                  label=label)  # fmt: skip

    def draw(axes: Axes) -> None:
        line(axes, [row.figures.get(CAP) for row in shown], BLUE, "market cap")
        axes.yaxis.set_major_formatter(MONEY)
        axes.set_ylabel(f"market cap, {request.quote}")

    def draw_volume(axes: Axes) -> None:
        line(axes, [row.figures.get(VOLUME) for row in shown], ORANGE, "volume over 24 h")
        axes.yaxis.set_major_formatter(MONEY)
        axes.set_ylabel("24 h volume")
        if not request.coins:
            time_axis(axes, shown[0].begin_ms, shown[-1].begin_ms)

    def draw_shares(axes: Axes) -> None:
        for place, coin in enumerate(request.coins):
            line(axes, [row.share(coin) for row in shown], LINES[place % len(LINES)], coin.upper())
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_ylabel("share of the cap, percent")
        time_axis(axes, shown[0].begin_ms, shown[-1].begin_ms)
        outside_legend(axes)

    shares = (Panel(draw_shares, 0.7),) if request.coins else ()
    return Chart(
        f"The whole market in {request.quote}",
        source,
        1,
        draw,
        f"At the newest poll of each {request.every.words}.",
        height=6.4 if shares else 4.6,
        below=(Panel(draw_volume, 0.5), *shares),
    )


def _over(rows: Sequence[AverageRow]) -> str:
    return "time" if all(row.over_time for row in rows) else "samples"


def _spread(row: PercentilesRow) -> float:
    values = [each or 0.0 for each in row.values.values()]
    return max(values) - min(values)
