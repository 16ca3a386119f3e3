"""Trades and order books over time: of the first asset, since a picture shows one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from cryptoproxy.queries.answer import Answer, NothingFound
from cryptoproxy.queries.output.chart import Chart, Panel
from cryptoproxy.queries.output.marks import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    drawable,
    moment,
    name,
    outside_legend,
    short,
    time_axis,
)
from cryptoproxy.queries.questions.flow.steps import Step
from cryptoproxy.queries.questions.flow.trades import pressure, vwap
from cryptoproxy.queries.scope import AssetRef

_SHORT = FuncFormatter(lambda value, _: short(value))
_SIZE = FuncFormatter(lambda value, _: short(abs(value)))


def trades(answer: Answer[Step], rows: Sequence[Step]) -> Chart:
    """VWAP between the lowest and the highest price; below, what was bought and sold, and the pressure."""
    own, asset = _of_first(rows, lambda row: drawable(*row.values) and vwap(row) is not None)
    times = _times(own)

    def draw(axes: Axes) -> None:
        lows, highs = [row.values[4] or 0.0 for row in own], [row.values[5] or 0.0 for row in own]
        axes.fill_between(times, lows, highs, color=GREY, alpha=0.5, linewidth=0, label="lowest to highest")
        axes.plot(times, [vwap(row) or 0.0 for row in own], color=DARK, linewidth=1.2, label="VWAP")
        axes.yaxis.set_major_formatter(_SHORT)
        axes.set_ylabel(f"price, {asset.quote}")
        outside_legend(axes)

    def draw_volume(axes: Axes) -> None:
        _both(axes, own, times, (2, "bought"), (3, "sold"))
        axes.set_ylabel(f"volume, {asset.quote}")

    def draw_pressure(axes: Axes) -> None:
        axes.plot(times, [pressure(row) or 0.0 for row in own], color=DARK, linewidth=1.2)
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.set_ylim(-1.05, 1.05)
        axes.set_ylabel("pressure")
        time_axis(axes, own[0].begin_ms, own[-1].begin_ms)

    foot = f"{sum(row.records for row in own):,} trades. Pressure: bought less sold, of all, by takers."
    return _chart(answer, rows, asset, f"trades of each {answer.asked.every.words}", foot=foot, draw=draw,
                  below=[Panel(draw_volume, 0.45), Panel(draw_pressure, 0.3)])  # fmt: skip


def spread(answer: Answer[Step], rows: Sequence[Step]) -> Chart:
    """The mean between the lowest and the highest."""
    own, asset = _of_first(rows, lambda row: drawable(*row.values))
    times = _times(own)

    def draw(axes: Axes) -> None:
        lows, highs = [row.values[1] or 0.0 for row in own], [row.values[2] or 0.0 for row in own]
        axes.fill_between(times, lows, highs, color=BLUE, alpha=0.2, linewidth=0, label="lowest to highest")
        axes.plot(times, [row.values[0] or 0.0 for row in own], color=BLUE, linewidth=1.4, label="mean")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_SHORT)
        axes.set_ylabel("spread, basis points")
        time_axis(axes, own[0].begin_ms, own[-1].begin_ms)
        outside_legend(axes)

    foot = f"{sum(row.records for row in own):,} slots; 1 basis point of mid is 0.01 %."
    return _chart(answer, rows, asset, f"spread of each {answer.asked.every.words}", foot=foot, draw=draw)


def depth(answer: Answer[Step], rows: Sequence[Step]) -> Chart:
    """Bids upwards, asks downwards; below, the imbalance."""
    own, asset = _of_first(
        rows, lambda row: drawable(*row.values[:2]) and None not in row.values[:2] and row.values[6] is not None
    )
    times = _times(own)

    def draw(axes: Axes) -> None:
        _both(axes, own, times, (0, "bids"), (1, "asks"))
        axes.set_ylabel(f"depth, {asset.quote}")

    def draw_imbalance(axes: Axes) -> None:
        axes.plot(times, [row.values[6] or 0.0 for row in own], color=DARK, linewidth=1.2)
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.set_ylim(-1.05, 1.05)
        axes.set_ylabel("imbalance")
        time_axis(axes, own[0].begin_ms, own[-1].begin_ms)

    foot = f"{sum(row.records for row in own):,} slots. Imbalance: bids less asks, of both, by the best 20 levels."
    return _chart(answer, rows, asset, answer.title, foot=foot, draw=draw, below=[Panel(draw_imbalance, 0.35)])


def _of_first(rows: Sequence[Step], fits: Callable[[Step], bool]) -> tuple[list[Step], AssetRef]:
    asset = rows[0].asset
    if not (own := [row for row in rows if row.asset == asset and fits(row)]):
        raise NothingFound(f"{asset.symbol} has no value that can be drawn")
    return own, asset


def _times(rows: Sequence[Step]) -> list[Any]:
    return [moment(row.begin_ms) for row in rows]


def _both(axes: Axes, rows: Sequence[Step], times: Sequence[Any], up: tuple[int, str], down: tuple[int, str]) -> None:
    for (at, word), sign, colour in ((up, 1, BLUE), (down, -1, ORANGE)):
        values = [sign * (row.values[at] or 0.0) for row in rows]
        axes.fill_between(times, values, color=colour, alpha=0.75, linewidth=0, step="post", label=word)
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.yaxis.set_major_formatter(_SIZE)
    outside_legend(axes)


def _chart(
    answer: Answer[Step],
    rows: Sequence[Step],
    asset: AssetRef,
    words: str,
    *,
    foot: str,
    draw: Callable[[Axes], None],
    below: Sequence[Panel] = (),
) -> Chart:
    assets = list(dict.fromkeys(row.asset for row in rows))
    others = f" {len(assets) - 1} more assets are not drawn: --assets chooses." if len(assets) > 1 else ""
    return Chart(
        f"{name(asset, assets)}: {words}",
        f"{asset.source}, quoted in {asset.quote}",
        1,
        draw,
        foot + others,
        height=4.2 + 3.2 * sum(panel.height for panel in below),
        below=below,
    )
