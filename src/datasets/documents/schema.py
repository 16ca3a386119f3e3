"""The JSON Schema of each dataset, made from its contract; ``docs/schemas/<dataset>.schema.json`` is its copy.

A newer one must keep what an older one promised: optional fields may be added, nothing else. Both directions count.
Readers rely on what each field is; and today's program must still take what was written before: lines of the lake,
records that wait on the topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import MAX_DEPTH
from cryptoproxy.datasets.dataset import Dataset

_WORDS = frozenset({"title", "description", "$comment", "$schema", "$id", "examples"})
"""What may be said better at any time."""


def json_schema(dataset: Dataset[Any]) -> dict[str, Any]:
    """Draft 2020-12 schema of one record. Unknown fields are allowed: newer producers may add some."""
    schema = msgspec.json.schema(dataset.record)
    definition: dict[str, Any] = schema["$defs"][dataset.record.__name__]
    definition["title"] = f"{dataset.topic} record"
    number = next(column.name for column in dataset.columns if column.kind in ("double", "long"))
    refused = [
        "the names of its own fields (_id, _doc_count), those that are blank or blank between dots",
        f"a field of the record with a dot ({number}., x.{number})",
        *([f"and {', '.join(old[:-1])} and {old[-1]}"] if (old := [*dataset.old_names]) else []),
    ]
    definition["description"] += (
        f"\n\nUnknown fields are kept and ignored; their values have at most {MAX_DEPTH} levels. Refused, because "
        f"Elasticsearch would not just keep them, are {', '.join(refused)}."
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"schema-version {dataset.version}; made by `make docs`",
        **definition,
    }


def breaches(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each promise of ``old`` that ``new`` breaks."""
    found = []
    before, after = old["properties"], new["properties"]
    for name in before:
        if name not in after:
            found.append(f"{name} is gone")
        elif meaning(before[name]) != meaning(after[name]):
            found.append(f"{name} was {meaning(before[name])} and is {meaning(after[name])}")
    required, now_required = set(old.get("required", ())), set(new.get("required", ()))
    found += [f"{name} is new and required" for name in sorted(now_required - required - before.keys())]
    found += [f"{name} was optional and is required" for name in sorted((now_required - required) & before.keys())]
    found += [f"{name} was required and is optional" for name in sorted(required - now_required)]
    rest = {*old, *new} - {"properties", "required"} - _WORDS
    found += [
        f"{rule} was {old.get(rule)!r} and is {new.get(rule)!r}"
        for rule in sorted(rest)
        if old.get(rule) != new.get(rule)
    ]
    return found


def meaning(schema: Any) -> Any:
    """A schema without its words."""
    if isinstance(schema, Mapping):
        return {name: meaning(each) for name, each in sorted(schema.items()) if name not in _WORDS}
    if isinstance(schema, list):
        return sorted((meaning(each) for each in schema), key=repr)
    return schema
