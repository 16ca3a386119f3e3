"""The index's fields as Kibana sees them, from the mapping itself, so that no definition can name another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[2] / "src" / "consumer" / "template.json"

_KIBANA_TYPES = {"keyword": "string", "double": "number", "long": "number", "integer": "number", "date": "date"}


@cache
def kibana_types() -> Mapping[str, str]:
    """Kibana's type (string, number, date) of each field, sub-fields and aliases included."""
    properties = json.loads(TEMPLATE.read_text(encoding="utf-8"))["template"]["mappings"]["properties"]
    found = {}
    for name, spec in properties.items():
        real = properties[spec["path"]] if spec["type"] == "alias" else spec
        found[name] = _KIBANA_TYPES[real["type"]]
        for sub, sub_spec in spec.get("fields", {}).items():
            found[f"{name}.{sub}"] = _KIBANA_TYPES[sub_spec["type"]]
    return found


def kibana_type(field: str) -> str:
    """Kibana's type of one field.

    Raises:
        KeyError: the mapping has no such field.
    """
    return kibana_types()[field]
