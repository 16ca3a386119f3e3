"""``docs/datasets.md``: every dataset with its names and fields, made from the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import Column
from cryptoproxy.datasets.names import index_name, key

_HEAD = """\
# Datasets

Made by `make docs` from `src/datasets`; do not edit. What holds for all of them is in
[data-contract.md](data-contract.md); how one is added in [CONTRIBUTING.md](../CONTRIBUTING.md#a-new-dataset).

| dataset | one record is | topics | alias |
|---|---|---|---|
"""


def page(datasets: Mapping[str, Dataset[Any]]) -> str:
    """Markdown."""
    rows = [
        f"| [`{dataset.name}`](#{dataset.name}) | {dataset.says} | {_topics(dataset)} | "
        + (f"`{dataset.alias}` |" if dataset.alias else "not indexed |")
        for dataset in datasets.values()
    ]
    return _HEAD + "\n".join(rows) + "\n" + "".join(map(_section, datasets.values()))


def _section(dataset: Dataset[Any]) -> str:
    example = dataset.example
    part = dataset.parts[dataset.part(example)]
    lines = [
        f"\n## {dataset.name}",
        (dataset.record.__doc__ or "").split("\n\n")[0].strip(),
        "",
        f"- key `{key(example)}`, id `{dataset.id_of(example)}`",
    ]
    if dataset.alias:
        name = index_name(dataset.alias, example.timestamp, part.period, part.shelf)
        lines.append(f"- index `{name}`: {_periods(dataset)}")
    if dataset.compacted:
        lines.append("- the newest record of a key replaces the one before it, on the topic and in the index")
    schema = f"schemas/{dataset.name}.schema.json"
    lines += [f"- [{dataset.name}.schema.json]({schema})", "", "| field | type, unit | |", "|---|---|---|"]
    lines += map(_row, dataset.columns)
    line = dataset.codec.encode(example).decode()
    return "\n".join([*lines, "", "```json", line.replace(',"', ', "'), "```", ""])


def _row(column: Column) -> str:
    kind = {"double": "number", "long": "whole number", "flag": "true or false", "kept": "kept, not searched"}.get(
        column.kind, column.kind
    )
    return (
        f"| `{column.name}` | {'list of ' if column.many else ''}{kind}"
        + (f", {column.unit}" if column.unit else "")
        + (", optional" if column.optional else "")
        + f" | {column.says} |"
    )


def _topics(dataset: Dataset[Any]) -> str:
    named = [name for name in dataset.parts if name]
    return f"`{dataset.topic}.…` with {', '.join(named)}" if named else f"`{dataset.topic}`"


def _periods(dataset: Dataset[Any]) -> str:
    by_period: dict[str, list[str]] = {}
    for name, part in dataset.parts.items():
        by_period.setdefault(part.period, []).append(name)
    if dataset.compacted:
        return "one for all times"
    if len(by_period) == 1:
        return f"a {next(iter(by_period))} each"
    return "; ".join(f"{', '.join(names)} a {period} each" for period, names in by_period.items())
