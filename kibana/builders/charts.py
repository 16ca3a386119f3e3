"""Lines, bars, tables, tiles and heat maps of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kibana.builders.columns import Column, Json

XyKind = Literal["line", "bar", "bar_stacked", "bar_horizontal", "bar_horizontal_percentage_stacked"]

TABLE_PAGE = 20


@dataclass(frozen=True)
class Chart:
    """A visualisation without its place: the columns by id, buckets first, and how they are drawn."""

    type: str
    columns: Mapping[str, Column]
    drawing: Json
    """The visualization's state, all but what names the layer."""
    where: str = ""
    """KQL that each record must match."""
    layered: Json = field(default_factory=dict)
    """For lnsXY: the state of its one layer."""


def xy(
    kind: XyKind,
    *,
    x: Column,
    y: Sequence[Column],
    split: Column | None = None,
    y_title: str = "",
    log: bool = False,
    fits_data: bool = False,
    values_shown: bool = False,
    where: str = "",
) -> Chart:
    """Lines or bars, one for each value of ``split``.

    ``log`` is for lines only: a logarithmic axis has no zero for a bar to stand on, and with zero in its range it
    hides what is below 1, so the axis then spans just the data. So does one that ``fits_data``.
    """
    if (log or fits_data) and kind != "line":
        raise ValueError("bars stand on zero: they have no logarithmic axis, and none that spans just the data")
    buckets = [("x", x), ("split", split)]
    if x.operation == "date_histogram":
        buckets.reverse()  # the split first: its top values are chosen over the whole time, not in each step anew
    shown = {name: column for name, column in buckets if column is not None}
    metrics = {f"y{number}": column for number, column in enumerate(y, start=1)}
    drawing: Json = {
        "legend": {"isVisible": True, "position": "right", "shouldTruncate": True, "maxLines": 1},
        "preferredSeriesType": kind,
        "valueLabels": "show" if values_shown else "hide",
        "fittingFunction": "Linear" if kind == "line" else "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": True, "yRight": True},
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "gridlinesVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "yTitle": y_title or y[0].label,
    }
    if log:
        drawing["yLeftScale"] = "log"
    if log or fits_data:
        drawing["yLeftExtent"] = {"mode": "dataBounds"}
    layer: Json = {
        "layerType": "data",
        "seriesType": kind,
        "xAccessor": "x",
        "accessors": list(metrics),
        **({"splitAccessor": "split"} if split else {}),
    }
    return Chart("lnsXY", {**shown, **metrics}, drawing, where, layered=layer)


def table(
    rows: Sequence[Column],
    metrics: Sequence[Column],
    *,
    sort_by: Column | None = None,
    ascending: bool = False,
    hidden: Sequence[Column] = (),
    where: str = "",
) -> Chart:
    """One line per combination of the rows' values. Kibana shows rows first, then metrics.

    ``hidden`` rows split the lines as well, so that two assets with one symbol stay apart, but are not shown.
    """
    columns = {f"row{number}": column for number, column in enumerate([*hidden, *rows], start=1)}
    columns |= {f"value{number}": column for number, column in enumerate(metrics, start=1)}
    listed = [
        {"columnId": name, **({"hidden": True} if any(column is one for one in hidden) else {})}
        for name, column in columns.items()
    ]
    drawing: Json = {"columns": listed, "paging": {"enabled": True, "size": TABLE_PAGE}}
    if sort_by is not None:
        name = next(name for name, column in columns.items() if column is sort_by)
        drawing["sorting"] = {"columnId": name, "direction": "asc" if ascending else "desc"}
    return Chart("lnsDatatable", columns, drawing, where)


def tiles(each: Column, value: Column, *, beside: Column, where: str = "") -> Chart:
    """A large number for each value of ``each``, with a small one beside it."""
    drawing: Json = {
        "metricAccessor": "value",
        "secondaryMetricAccessor": "beside",
        "breakdownByAccessor": "each",
        "maxCols": 6,
    }
    return Chart("lnsMetric", {"each": each, "value": value, "beside": beside}, drawing, where)


def heatmap(*, x: Column, y: Column, value: Column, where: str = "") -> Chart:
    """Colour by value; where there is none, the cell stays empty."""
    drawing: Json = {
        "shape": "heatmap",
        "legend": {"type": "heatmap_legend", "isVisible": True, "position": "right"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": False,
            "isYAxisLabelVisible": True,
            "isXAxisLabelVisible": True,
            "isYAxisTitleVisible": False,
            "isXAxisTitleVisible": False,
        },
        "xAccessor": "x",
        "yAccessor": "y",
        "valueAccessor": "value",
    }
    return Chart("lnsHeatmap", {"y": y, "x": x, "value": value}, drawing, where)
