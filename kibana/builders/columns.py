"""The columns of a chart: what it groups by, and what it computes; and the fields that there are. Each is one
aggregation in Elasticsearch.

No formula among them: until Kibana 9.1 a formula draws only with its helper columns stored beside it, and it cannot
rank. What a formula would do, a filter, a unit of time or a shorter time range does here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from cryptoproxy.datasets import DATASETS, Dataset
from cryptoproxy.datasets.documents import mapping

Json = dict[str, Any]

RECORDS = "___records___"
"""Kibana's name for "the documents themselves", the field of a count."""

TIME = "timestamp"


@dataclass(frozen=True, eq=False)
class Column:
    """One column. Two are never equal, so that a column may be found in its layer by identity."""

    label: str
    operation: str
    data_type: str
    source: str | None = None
    params: Json = field(default_factory=dict)
    scale: Literal["ordinal", "interval", "ratio"] = "ratio"
    bucketed: bool = False
    extra: Json = field(default_factory=dict)
    by: Column | None = None
    """What the values are ranked by; None is the alphabet. Only of ``top``."""

    def spec(self, params: Json | None = None) -> Json:
        """As Lens stores it."""
        return {
            "label": self.label,
            "customLabel": True,
            "operationType": self.operation,
            "dataType": self.data_type,
            "isBucketed": self.bucketed,
            "scale": self.scale,
            **({"sourceField": self.source} if self.source else {}),
            **self.extra,
            "params": {**self.params, **(params or {})},
        }


# ---- what is grouped by


def over_time(interval: str = "auto", *, label: str = "Time") -> Column:
    """Equal steps of time; those without a record stay, as gaps. A fixed interval is the shortest that is used."""
    params = {"interval": interval, "includeEmptyRows": True, "dropPartials": False}
    return Column(label, "date_histogram", "date", TIME, params, scale="interval", bucketed=True)


def top(
    name: str, size: int, label: str, *, by: Column | None = None, ascending: bool = False, apart: Sequence[str] = ()
) -> Column:
    """The values of a field that rank first; ``by`` may be a column that is shown or one that is not.

    ``apart``: further fields that tell values apart: a group then is one combination of all, "BTC › coingecko".
    """
    for each in apart:
        kibana_type(each)  # raises for one that the mapping lacks
    params = {
        "size": size,
        "orderDirection": "asc" if ascending or by is None else "desc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "multi_terms" if apart else "terms"},
        **({"secondaryFields": list(apart)} if apart else {}),
    }
    return Column(label, "terms", kibana_type(name), name, params, scale="ordinal", bucketed=True, by=by)


def bands(label: str, queries: dict[str, str]) -> Column:
    """One group per query, by its label."""
    filters = [{"label": name, "input": _kql(query)} for name, query in queries.items()]
    return Column(label, "filters", "string", params={"filters": filters}, scale="ordinal", bucketed=True)


# ---- what is computed


def average(name: str, label: str, shown_as: Json | None = None) -> Column:
    return _metric("average", name, label, shown_as)


def median(name: str, label: str, shown_as: Json | None = None) -> Column:
    return _metric("median", name, label, shown_as)


def deviation(name: str, label: str, shown_as: Json | None = None) -> Column:
    """Standard deviation. Never ranked by: whether Kibana 8.11 can is not certain."""
    return _metric("standard_deviation", name, label, shown_as)


def total(name: str, label: str, shown_as: Json | None = None) -> Column:
    return _metric("sum", name, label, shown_as)


def smallest(name: str, label: str, shown_as: Json | None = None) -> Column:
    return _metric("min", name, label, shown_as)


def largest(name: str, label: str, shown_as: Json | None = None) -> Column:
    """Of a date field: the latest."""
    return _metric("max", name, label, shown_as)


def percentile(name: str, percent: int, label: str, shown_as: Json | None = None) -> Column:
    params = {"percentile": percent, **_format(shown_as)}
    return Column(label, "percentile", "number", name, params)


def distinct(name: str, label: str) -> Column:
    """How many different values, 0 where there is no record; an estimate above some thousands."""
    return Column(label, "unique_count", "number", name, {"emptyAsNull": False})


def last(name: str, label: str, shown_as: Json | None = None) -> Column:
    """The value in the newest record that has one."""
    kind = kibana_type(name)
    params = {"sortField": TIME, "showArrayValues": False, **_format(shown_as)}
    scale: Literal["ordinal", "ratio"] = "ordinal" if kind == "string" else "ratio"
    return Column(label, "last_value", kind, name, params, scale=scale, extra={"filter": _kql(f"{name}: *")})


def records(
    label: str,
    *,
    where: str | None = None,
    per: Literal["s", "m", "h"] | None = None,
    within: str | None = None,
    zero_is_empty: bool = False,
) -> Column:
    """How many records.

    Args:
        where: only those that this KQL matches.
        per: scaled to a second, minute or hour.
        within: only those of this last part of the time range (``5m``). Not beside ``over_time``.
        zero_is_empty: none is shown as a gap instead of 0.
    """
    extra: Json = {}
    if where:
        extra["filter"] = _kql(where)
    if per:
        extra["timeScale"] = per
    if within:
        extra["reducedTimeRange"] = within
    return Column(label, "count", "number", RECORDS, {"emptyAsNull": zero_is_empty}, extra=extra)


def _metric(operation: str, name: str, label: str, shown_as: Json | None) -> Column:
    return Column(label, operation, kibana_type(name), name, {"emptyAsNull": True, **_format(shown_as)})


def _format(shown_as: Json | None) -> Json:
    return {"format": shown_as} if shown_as else {}


def _kql(query: str) -> Json:
    return {"query": query, "language": "kuery"}


# ---- the index's fields as Kibana sees them, from the mapping itself, so that no definition can name another

_KIBANA_TYPES = {"keyword": "string", "double": "number", "long": "number", "integer": "number", "date": "date"}


@cache
def kibana_types(dataset: str) -> Mapping[str, str]:
    """Kibana's type (string, number, date) of each field of a dataset, sub-fields and aliases included."""
    properties = mapping.properties(DATASETS[dataset])
    found = {}
    for name, spec in properties.items():
        real = properties[spec["path"]] if spec["type"] == "alias" else spec
        found[name] = _KIBANA_TYPES.get(real["type"], "object")
        for sub, sub_spec in spec.get("fields", {}).items():
            found[f"{name}.{sub}"] = _KIBANA_TYPES[sub_spec["type"]]
    return found


def kibana_type(field: str) -> str:
    """Kibana's type of one field: the same in every dataset that has it.

    Raises:
        KeyError: no mapping has such a field.
    """
    kinds = {types[field] for types in map(kibana_types, DATASETS) if field in types}
    if not kinds:
        raise KeyError(field)
    (kind,) = kinds
    return kind


def require(dataset: Dataset[Any], column: Column) -> None:
    """Raises:
    KeyError: the dataset's mapping lacks the field of a column.
    """
    types = kibana_types(dataset.name)
    for name in (column.source, *column.params.get("secondaryFields", ())):
        if name not in (None, RECORDS):
            types[str(name)]
    if column.by is not None:
        require(dataset, column.by)
