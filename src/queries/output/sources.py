"""Pictures of what a source tells as a whole: how fresh it is, how many rose and fell, how large the market is."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from cryptoproxy.queries.answer import Answer
from cryptoproxy.queries.output.chart import Chart, Panel, shown
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
    moment,
    outside_legend,
    time_axis,
)
from cryptoproxy.queries.periods import age
from cryptoproxy.queries.questions.freshness import FreshnessRow
from cryptoproxy.queries.questions.market import CAP, VOLUME, MarketFigures, MarketRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow


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
    drawn = shown([row for row in rows if row.source == sources[0]], lambda row: drawable(row.mean, row.median))
    times = [moment(row.begin_ms) for row in drawn]

    def draw(axes: Axes) -> None:
        axes.fill_between(times, [row.gainers for row in drawn], color=BLUE, alpha=0.75, linewidth=0, label="rose")
        axes.fill_between(times, [-row.losers for row in drawn], color=ORANGE, alpha=0.75, linewidth=0, label="fell")
        axes.plot(times, [row.gainers - row.losers for row in drawn], color=DARK, linewidth=1.2, label="rose less fell")
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
        axes.set_ylabel("assets")
        outside_legend(axes)

    def draw_change(axes: Axes) -> None:
        axes.plot(times, [row.mean or 0.0 for row in drawn], color=BLUE, linewidth=1.4, label="mean")
        axes.plot(times, [row.median or 0.0 for row in drawn], color=GREY, linewidth=1.4, label="median")
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_ylabel("24 h change, percent")
        time_axis(axes, drawn[0].begin_ms, drawn[-1].begin_ms)
        outside_legend(axes)

    others = f" {', '.join(sources[1:])}: --source chooses." if len(sources) > 1 else ""
    return Chart(
        f"Sentiment: how many assets rose and fell over 24 h, by {request.every.words}",
        sources[0],
        1,
        draw,
        f"At the newest poll of each {request.every.words}, of {drawn[-1].assets:,} assets at the end.{others}",
        height=5.2,
        below=(Panel(draw_change, 0.6),),
    )


def market(answer: Answer[MarketRow], rows: Sequence[MarketRow]) -> Chart:
    """Cap, volume and shares over time, a panel each."""
    request: MarketFigures = answer.asked
    source = rows[0].source
    drawn = shown([row for row in rows if row.source == source], lambda row: drawable(row.figures.get(CAP)))
    times = [moment(row.begin_ms) for row in drawn]

    def line(axes: Axes, values: Sequence[float | None], color: str, label: str) -> None:
        axes.plot(times, [float("nan") if each is None else each for each in values], color=color, linewidth=1.4,
                  label=label)  # fmt: skip

    def draw(axes: Axes) -> None:
        line(axes, [row.figures.get(CAP) for row in drawn], BLUE, "market cap")
        axes.yaxis.set_major_formatter(MONEY)
        axes.set_ylabel(f"market cap, {request.quote}")

    def draw_volume(axes: Axes) -> None:
        line(axes, [row.figures.get(VOLUME) for row in drawn], ORANGE, "volume over 24 h")
        axes.yaxis.set_major_formatter(MONEY)
        axes.set_ylabel("24 h volume")
        if not request.coins:
            time_axis(axes, drawn[0].begin_ms, drawn[-1].begin_ms)

    def draw_shares(axes: Axes) -> None:
        for place, coin in enumerate(request.coins):
            line(axes, [row.share(coin) for row in drawn], LINES[place % len(LINES)], coin.upper())
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_ylabel("share of the cap, percent")
        time_axis(axes, drawn[0].begin_ms, drawn[-1].begin_ms)
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
