"""What stands on a dashboard: charts, a saved search, a note in Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from kibana.builders import lens
from kibana.builders.charts import Chart
from kibana.builders.columns import Json


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


def question(panel_id: str, title: str, chart: Chart, *, help_text: str) -> Panel:
    """A chart that answers what its title asks; ``help_text`` is behind its info sign."""
    attributes = lens.attributes(chart, layer_id=panel_id, title=title, description=help_text)
    config = {"attributes": attributes, "enhancements": {}}
    return Panel(panel_id, title, "lens", config, [lens.layer_reference(panel_id)], {})


def saved_search(panel_id: str, title: str, search_id: str) -> Panel:
    """A saved search, by reference."""
    name = f"panel_{panel_id}"
    reference = {"type": "search", "id": search_id, "name": name}
    return Panel(panel_id, title, "search", {"enhancements": {}}, [reference], {"panelRefName": name})


def note(panel_id: str, markdown: str) -> Panel:
    """Text without a frame title."""
    visualisation = {
        "id": "",
        "title": "",
        "description": "",
        "type": "markdown",
        "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown},
        "uiState": {},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }
    config = {"savedVis": visualisation, "hidePanelTitles": True, "enhancements": {}}
    return Panel(panel_id, "", "visualization", config, [], {})
