"""The bytes: the same for the same definitions, one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

# The versions that Kibana 8.11 knows. Newer ones it refuses; without any, it runs each migration since 6.x.
_CORE_VERSION = "8.8.0"
_TYPE_VERSIONS = {"index-pattern": "8.0.0", "dashboard": "8.9.0", "search": "8.0.0"}


def encoded(value: Any) -> str:
    """JSON text, keys sorted: also for the attributes that Kibana keeps as text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def saved_object(
    kind: str, object_id: str, attributes: dict[str, Any], references: list[dict[str, Any]]
) -> dict[str, Any]:
    """An object in the envelope of an export, without what changes by itself (version, times)."""
    return {
        "type": kind,
        "id": object_id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[kind],
    }


def ndjson(objects: Iterable[Any]) -> bytes:
    """The file that Kibana imports."""
    return "".join(f"{encoded(one)}\n" for one in objects).encode()
