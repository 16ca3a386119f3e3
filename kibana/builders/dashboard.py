"""A dashboard: rows of panels, controls, and the time it opens with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from kibana.builders import controls as control_list
from kibana.builders.columns import Json
from kibana.builders.controls import Control
from kibana.builders.encoding import encoded, saved_object
from kibana.builders.panels import Panel

GRID_COLUMNS = 48


@dataclass(frozen=True)
class Row:
    """Panels side by side, all of one height (a unit is some 20 pixels); of equal width unless said."""

    height: int
    panels: Sequence[Panel]
    widths: Sequence[int] = ()

    def placed(self, y: int) -> list[Json]:
        widths = self.widths or [GRID_COLUMNS // len(self.panels)] * len(self.panels)
        if sum(widths) != GRID_COLUMNS or len(widths) != len(self.panels):
            raise ValueError(f"widths {list(widths)} of {len(self.panels)} panels do not fill {GRID_COLUMNS} columns")
        starts = [0, *accumulate(widths)]
        return [
            panel.placed(x=x, y=y, width=width, height=self.height)
            for panel, x, width in zip(self.panels, starts, widths, strict=False)
        ]


@dataclass(frozen=True)
class Dashboard:
    id: str
    title: str
    description: str
    opens_on: str
    """How far back it shows, in Kibana's date math: ``now-7d``."""
    rows: Sequence[Row]
    controls: Sequence[Control] = field(default=())
    refresh_seconds: int | None = None
    """How often it asks anew by itself; None is only when asked."""

    def saved_object(self) -> Json:
        tops = [0, *accumulate(row.height for row in self.rows)]
        placed = [panel for row, y in zip(self.rows, tops, strict=False) for panel in row.placed(y)]
        attributes = {
            "title": self.title,
            "description": self.description,
            "timeRestore": True,
            "timeFrom": self.opens_on,
            "timeTo": "now",
            "refreshInterval": {
                "pause": self.refresh_seconds is None,
                "value": (self.refresh_seconds or 60) * 1000,
            },
            "controlGroupInput": control_list.group(self.controls),
            "panelsJSON": encoded(placed),
            "optionsJSON": encoded(
                {
                    "useMargins": True,
                    "syncColors": True,
                    "syncCursor": True,
                    "syncTooltips": False,
                    "hidePanelTitles": False,
                }
            ),
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": encoded({"query": {"query": "", "language": "kuery"}, "filter": []})
            },
        }
        panels = [panel for row in self.rows for panel in row.panels]
        references = [
            {**reference, "name": f"{panel.id}:{reference['name']}"}
            for panel in panels
            for reference in panel.references
        ]
        references += control_list.references(self.controls)
        return saved_object("dashboard", self.id, attributes, references)
