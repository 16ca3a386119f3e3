"""The Elasticsearch index template of a dataset, made from its columns.

Numbers that no question filters by have doc values alone (``"index": false``), which is a quarter of the disk:
docs/decisions/0004.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import Column

_LONGEST_KEYWORD = 256
_BOTH_SPELLINGS = "symbol"
"""``symbol.keyword`` is what those ask who come from a guessed mapping."""


def properties(dataset: Dataset[Any]) -> Mapping[str, Any]:
    """The field mappings that every index of it must have."""
    return {column.name: _mapped(column) for column in dataset.columns} | {
        old: {"type": "alias", "path": name} for old, name in dataset.old_names.items()
    }


def _mapped(column: Column) -> dict[str, Any]:
    if column.kind == "kept":
        return {"type": "object", "enabled": False}
    if column.kind == "time":
        return {"type": "date", "format": "strict_date_optional_time"}
    if column.kind == "flag":
        return {"type": "boolean"}
    if column.kind == "text":
        keyword: dict[str, Any] = {"type": "keyword"}
        if not column.whole:
            keyword["ignore_above"] = _LONGEST_KEYWORD
        if column.name == _BOTH_SPELLINGS:
            return {**keyword, "fields": {"keyword": dict(keyword)}}
        return keyword
    number = "double" if column.kind == "double" else "integer" if column.bits == 32 else "long"
    return {"type": number} if column.searched else {"type": number, "index": False}


def template(dataset: Dataset[Any], *, alias: str, period: str, shards: int, replicas: int) -> dict[str, Any]:
    """The composable index template.

    Args:
        period: what an index of its first part holds, kept to refuse another choice later.
    """
    return {
        "priority": 500,
        "index_patterns": [f"{alias}-*"],
        "template": {
            "aliases": {alias: {}},
            "settings": {
                "index": {
                    "number_of_shards": shards,
                    "number_of_replicas": replicas,
                    "codec": "best_compression",
                    "refresh_interval": "1s",
                }
            },
            "mappings": {"dynamic": False, "properties": properties(dataset)},
        },
        "_meta": {"made_by": "cryptoproxy setup", "schema_version": dataset.version, "period": period},
    }
