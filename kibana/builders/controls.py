"""Drop-down lists above a dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset
from kibana import names
from kibana.builders.columns import Json
from kibana.builders.encoding import encoded


@dataclass(frozen=True)
class Control:
    """Chooses values of a keyword field. What one list has chosen narrows the lists to its right."""

    field: str
    title: str
    chosen: tuple[str, ...] = ()
    single: bool = False
    dataset: Dataset[Any] = TICKER

    @property
    def id(self) -> str:
        return f"control-{self.field.replace('_', '-')}"


def single(dataset: Dataset[Any], **chosen: str) -> list[Control]:
    """One list for each field, of which one value is shown: at first the one that is chosen, if any."""
    return [
        Control(field, "Asset" if field == "asset_id" else field.capitalize(), (value,) if value else (), True, dataset)
        for field, value in chosen.items()
    ]


def group(controls: Sequence[Control]) -> Json:
    """As a dashboard stores them. Of its own keys, only those that Kibana 8.11 knows."""
    panels = {}
    for order, control in enumerate(controls):
        chosen: Json = {"selectedOptions": list(control.chosen)} if control.chosen else {}
        single: Json = {"singleSelect": True} if control.single else {}
        panels[control.id] = {
            "type": "optionsListControl",
            "order": order,
            "width": "medium",
            "grow": True,
            "explicitInput": {
                "id": control.id,
                "fieldName": control.field,
                "title": control.title,
                **chosen,
                **single,
                "enhancements": {},
            },
        }
    obeyed = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": encoded(panels),
        "ignoreParentSettingsJSON": encoded(obeyed),
    }


def references(controls: Sequence[Control]) -> list[Json]:
    return [
        {
            "type": "index-pattern",
            "id": names.data_view(control.dataset),
            "name": f"controlGroup_{control.id}:optionsListDataView",
        }
        for control in controls
    ]
