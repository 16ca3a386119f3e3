"""What stands on a dashboard: charts, a saved search, a note in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset
from kibana import names
from kibana.builders.charts import Chart
from kibana.builders.columns import Column, Json, require
from kibana.builders.encoding import encoded


@dataclass(frozen=True)
class Panel:
    """``id`` is unique in its dashboard and never changes: it names the panel in links and exports."""

    id: str
    title: str
    type: str
    config: Json
    references: list[Json]
    """As the panel names them; the dashboard puts the panel's id before each name."""
    extra: Json

    def placed(self, *, x: int, y: int, width: int, height: int) -> Json:
        """As ``panelsJSON`` holds it."""
        return {
            "type": self.type,
            "panelIndex": self.id,
            "gridData": {"x": x, "y": y, "w": width, "h": height, "i": self.id},
            "embeddableConfig": self.config,
            **({"title": self.title} if self.title else {}),
            **self.extra,
        }


def question(panel_id: str, title: str, chart: Chart, *, help_text: str, dataset: Dataset[Any] = TICKER) -> Panel:
    """A chart that answers what its title asks; ``help_text`` is behind its info sign.

    Raises:
        KeyError: it names a field that the dataset lacks.
    """
    for column in chart.columns.values():
        require(dataset, column)
    reference = _layer_reference(panel_id, dataset)
    made = _lens(chart, layer_id=panel_id, title=title, description=help_text, reference=reference)
    config = {"attributes": made, "enhancements": {}}
    return Panel(panel_id, title, "lens", config, [reference], {})


def saved_search(panel_id: str, title: str, search_id: str) -> Panel:
    """A saved search, by reference."""
    name = f"panel_{panel_id}"
    reference = {"type": "search", "id": search_id, "name": name}
    return Panel(panel_id, title, "search", {"enhancements": {}}, [reference], {"panelRefName": name})


def drawing(panel_id: str, title: str, spec: Json, *, help_text: str) -> Panel:
    """What Lens cannot draw, as a Vega-Lite ``spec`` that asks Elasticsearch itself."""
    shown = _visualisation("vega", {"spec": encoded(spec)}, title=title, description=help_text)
    return Panel(panel_id, title, "visualization", {"savedVis": shown, "enhancements": {}}, [], {})


def note(panel_id: str, markdown: str) -> Panel:
    """Text without a frame title."""
    shown = _visualisation("markdown", {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown})
    config = {"savedVis": shown, "hidePanelTitles": True, "enhancements": {}}
    return Panel(panel_id, "", "visualization", config, [], {})


def _visualisation(kind: str, params: Json, *, title: str = "", description: str = "") -> Json:
    return {
        "id": "",
        "title": title,
        "description": description,
        "type": kind,
        "params": params,
        "uiState": {},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }


# ---- a chart as the attributes that Lens stores


def _lens(chart: Chart, *, layer_id: str, title: str, description: str, reference: Json) -> Json:
    """Lens attributes with one layer, whose data view comes from ``reference``."""
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
        "references": [reference],
        "state": {
            "visualization": drawing,
            "query": {"query": chart.where, "language": "kuery"},
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {layer_id: layer}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _layer_reference(layer_id: str, dataset: Dataset[Any]) -> Json:
    """Where Lens looks for the layer's data view; a dashboard repeats it under the panel's name."""
    name = f"indexpattern-datasource-layer-{layer_id}"
    return {"type": "index-pattern", "id": names.data_view(dataset), "name": name}


def _spec(column: Column, chart: Chart) -> Json:
    if column.operation != "terms":
        return column.spec()
    if column.by is None:
        return column.spec({"orderBy": {"type": "alphabetical"}})
    for name, other in chart.columns.items():
        if other is column.by:
            return column.spec({"orderBy": {"type": "column", "columnId": name}})
    return column.spec({"orderBy": {"type": "custom"}, "orderAgg": column.by.spec()})
