"""A chart as the attributes that Lens stores."""

from __future__ import annotations

from kibana import names
from kibana.builders.charts import Chart
from kibana.builders.columns import Column, Json


def attributes(chart: Chart, *, layer_id: str, title: str, description: str) -> Json:
    """Lens attributes with one layer, whose data view comes from the reference of :func:`layer_reference`."""
    if chart.type == "lnsXY":
        drawing = {**chart.drawing, "layers": [{"layerId": layer_id, **chart.layered}]}
    else:
        drawing = {**chart.drawing, "layerId": layer_id, "layerType": "data"}
    layer = {
        "columns": {name: _spec(column, chart) for name, column in chart.columns.items()},
        "columnOrder": list(chart.columns),
        "incompleteColumns": {},
        "sampling": 1,
    }
    return {
        "title": title,
        "description": description,
        "visualizationType": chart.type,
        "type": "lens",
        "references": [layer_reference(layer_id)],
        "state": {
            "visualization": drawing,
            "query": {"query": chart.where, "language": "kuery"},
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {layer_id: layer}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def layer_reference(layer_id: str) -> Json:
    """Where Lens looks for the layer's data view; a dashboard repeats it under the panel's name."""
    return {"type": "index-pattern", "id": names.DATA_VIEW, "name": f"indexpattern-datasource-layer-{layer_id}"}


def _spec(column: Column, chart: Chart) -> Json:
    if column.operation != "terms":
        return column.spec()
    if column.by is None:
        return column.spec({"orderBy": {"type": "alphabetical"}})
    for name, other in chart.columns.items():
        if other is column.by:
            return column.spec({"orderBy": {"type": "column", "columnId": name}})
    return column.spec({"orderBy": {"type": "custom"}, "orderAgg": column.by.spec()})
