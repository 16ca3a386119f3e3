"""Candles as one draws them: the price with what lies over it, volume below, then each indicator in a panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.dates import date2num
from matplotlib.ticker import FuncFormatter

from cryptoproxy.queries.answer import Answer, NothingFound
from cryptoproxy.queries.output.chart import Chart, Panel
from cryptoproxy.queries.output.marks import (
    BLUE,
    DARK,
    GREY,
    LINES,
    ORANGE,
    drawable,
    moment,
    name,
    outside_legend,
    short,
    time_axis,
)
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions.candles import Bar, CandlesRow
from cryptoproxy.queries.questions.indicators import Indicator, Indicators, IndicatorsRow
from cryptoproxy.queries.scope import AssetRef

Draw = Callable[[Axes], None]
_MOST = 250
"""Bars that can be told apart as candles; of more, the close is a line and the range a shade."""
_WIDTH = 0.7
_OVER_PRICE = ("sma", "ema", "bollinger")


def candles(answer: Answer[CandlesRow], rows: Sequence[CandlesRow]) -> Chart:
    return _chart(answer, rows, answer.asked.every, f"{answer.asked.every.text} candles", ())


def indicators(answer: Answer[IndicatorsRow], rows: Sequence[IndicatorsRow]) -> Chart:
    request: Indicators = answer.asked
    return _chart(answer, rows, request.every, f"{request.every.text} candles and indicators", request.which)


def _chart(answer: Answer[Any], rows: Sequence[Any], every: Interval, words: str, which: Sequence[Indicator]) -> Chart:
    """Of the first asset: a picture shows one."""
    assets: list[AssetRef] = list(dict.fromkeys(row.asset for row in rows))
    asset = assets[0]
    own = [row for row in rows if row.asset == asset and drawable(*row.bar[1:5])]
    if not own:
        raise NothingFound("no value is small enough to be drawn")
    bars: list[Bar] = [row.bar for row in own]
    over = [each for each in which if each.name in _OVER_PRICE]

    def draw(axes: Axes) -> None:
        _prices(axes, bars, every)
        colours = cycle((LINES[4], LINES[3], LINES[2], LINES[7], LINES[9]))
        for each in over:
            _over(axes, own, each, every, next(colours))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.set_ylabel(f"price, {asset.quote}")
        outside_legend(axes)

    drawing: list[tuple[Draw, float]] = []
    if bars[0].quote_volume is not None or bars[0].base_volume is not None:
        drawing.append((partial(_volume, bars=bars, every=every, asset=asset), 0.28))
    for each in which:
        if each.name == "rsi":
            drawing.append((partial(_rsi, rows=own, which=each, every=every), 0.32))
        elif each.name == "macd":
            drawing.append((partial(_macd, rows=own, which=each, every=every), 0.38))

    def timed(one: Draw) -> Draw:
        def drawn(axes: Axes) -> None:
            one(axes)
            time_axis(axes, bars[0].begin_ms, bars[-1].begin_ms)

        return drawn

    lowest = len(drawing) - 1
    parts = [Panel(timed(one) if at == lowest else one, height) for at, (one, height) in enumerate(drawing)]
    others = f" {len(assets) - 1} more assets are not drawn: --assets chooses." if len(assets) > 1 else ""
    return Chart(
        f"{name(asset, assets)}: {words}",
        f"{asset.source}, quoted in {asset.quote}",
        1,
        draw if parts else timed(draw),
        f"{len(bars):,} closed bars, made of {own[0].made_of}.{' Indicators by TA-Lib.' if which else ''}{others}",
        height=4.2 + 4.2 * sum(panel.height for panel in parts) * 0.75,
        below=parts,
    )


def _middle(bar: Bar, every: Interval) -> float:
    return float(date2num(moment((bar.begin_ms + every.end_of(bar.begin_ms)) // 2)))  # type: ignore[no-untyped-call]


def _wide(bars: Sequence[Bar], every: Interval) -> list[float]:
    """How wide each is drawn, as an axis of time has it; of many, without room between them."""
    part = _WIDTH if len(bars) <= _MOST else 1.0
    return [(every.end_of(bar.begin_ms) - bar.begin_ms) / 86_400_000 * part for bar in bars]


def _prices(axes: Axes, bars: Sequence[Bar], every: Interval) -> None:
    if len(bars) > _MOST:
        times = [_middle(bar, every) for bar in bars]
        axes.fill_between(times, [bar.low for bar in bars], [bar.high for bar in bars], color=GREY, alpha=0.5,
                          linewidth=0, label="lowest to highest")  # fmt: skip
        axes.plot(times, [bar.close for bar in bars], color=DARK, linewidth=1.0, label="close")
        axes.xaxis_date()
        return
    for rose, colour, word in ((True, BLUE, "closed higher"), (False, ORANGE, "closed lower")):
        own = [bar for bar in bars if (bar.close >= bar.open) is rose]
        middles = [_middle(bar, every) for bar in own]
        axes.add_collection(
            LineCollection(
                [[(at, bar.low), (at, bar.high)] for at, bar in zip(middles, own, strict=True)],
                colors=colour,
                linewidths=0.8,
            )
        )
        axes.add_collection(
            PolyCollection(
                [_body(at, width / 2, bar) for at, width, bar in zip(middles, _wide(own, every), own, strict=True)],
                facecolors=colour,
                edgecolors=colour,
                linewidths=0.5,
                label=word,
            )
        )
    axes.autoscale_view()
    axes.xaxis_date()


def _body(at: float, half: float, bar: Bar) -> list[tuple[float, float]]:
    low, high = sorted((bar.open, bar.close))
    return [(at - half, low), (at - half, high), (at + half, high), (at + half, low)]


def _values(rows: Sequence[IndicatorsRow], column: str) -> list[float]:
    """A gap where there is no value."""
    return [float("nan") if row.values[column] is None else float(row.values[column] or 0.0) for row in rows]


def _over(axes: Axes, rows: Sequence[IndicatorsRow], which: Indicator, every: Interval, colour: str) -> None:
    times = [_middle(row.bar, every) for row in rows]
    if which.name != "bollinger":
        axes.plot(times, _values(rows, which.columns[0]), color=colour, linewidth=1.3, label=str(which))
        return
    upper, middle, lower = (_values(rows, each) for each in which.columns)
    axes.fill_between(times, lower, upper, color=LINES[5], alpha=0.18, linewidth=0, label=f"{which}, ± 2 σ")
    axes.plot(times, upper, color=LINES[5], linewidth=0.8)
    axes.plot(times, lower, color=LINES[5], linewidth=0.8)
    axes.plot(times, middle, color=LINES[5], linewidth=0.8, linestyle="--")


def _volume(axes: Axes, bars: Sequence[Bar], every: Interval, asset: AssetRef) -> None:
    quoted = bars[0].quote_volume is not None
    volumes = [(bar.quote_volume if quoted else bar.base_volume) or 0.0 for bar in bars]
    colours = [BLUE if bar.close >= bar.open else ORANGE for bar in bars]
    middles = [_middle(bar, every) for bar in bars]
    axes.bar(middles, volumes, width=_wide(bars, every), color=colours, alpha=0.8, linewidth=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_ylabel(f"volume, {asset.quote if quoted else 'base'}")


def _rsi(axes: Axes, rows: Sequence[IndicatorsRow], which: Indicator, every: Interval) -> None:
    times = [_middle(row.bar, every) for row in rows]
    axes.plot(times, _values(rows, which.columns[0]), color=LINES[7], linewidth=1.2, label=str(which))
    axes.axhspan(30, 70, color=LINES[7], alpha=0.07, linewidth=0)
    axes.set_ylim(0, 100)
    axes.set_yticks([30, 50, 70])
    axes.set_ylabel("RSI")
    outside_legend(axes)


def _macd(axes: Axes, rows: Sequence[IndicatorsRow], which: Indicator, every: Interval) -> None:
    line, signal, histogram = (_values(rows, each) for each in which.columns)
    middles = [_middle(row.bar, every) for row in rows]
    widths = _wide([row.bar for row in rows], every)
    colours = [BLUE if value >= 0 else ORANGE for value in histogram]
    axes.bar(middles, histogram, width=widths, color=colours, alpha=0.5, linewidth=0, label="histogram")
    axes.plot(middles, line, color=LINES[0], linewidth=1.2, label=str(which))
    axes.plot(middles, signal, color=LINES[1], linewidth=1.2, label="signal")
    axes.axhline(0, color=DARK, linewidth=0.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_ylabel("MACD")
    outside_legend(axes)
