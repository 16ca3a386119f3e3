"""A data view for each dataset: the alias, its time, and how each field's numbers look in Discover and in charts."""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import Dataset
from cryptoproxy.datasets.fields import Column, Unit
from kibana import names
from kibana.builders.columns import Json
from kibana.builders.encoding import encoded, saved_object

# No thousands separator where a number may be small: Kibana's numeral library spells what is below 0.000001 with an
# exponent and then sets commas into that: 1.2345e-7 becomes "1.2,345e-7". Lens's own number formats have it as well,
# so charts take these.
# Two decimals at least, ten at most: 97000.00, 0.00001234, 1.2345e-7.
_PRICE = {"id": "number", "params": {"pattern": "0.00[00000000]"}}
_AMOUNT = {"id": "number", "params": {"pattern": "0.00a"}}
"""1.23b"""
_COUNT = {"id": "number", "params": {"pattern": "0,0"}}
_PERCENT = {"id": "number", "params": {"pattern": "0.00[00]"}}
_FRACTION = {"id": "percent", "params": {"pattern": "0.00[00]%"}}
_AGE = {"id": "relative_date", "params": {}}

_BY_UNIT = {
    Unit.QUOTE: _PRICE,
    Unit.BASE: _PRICE,
    Unit.PERCENT: _PERCENT,
    Unit.FRACTION: _FRACTION,
    Unit.BASIS_POINTS: _PERCENT,
    Unit.COUNT: _COUNT,
    Unit.MILLISECONDS: _COUNT,
}
_AMOUNTS = ("volume", "market_cap", "turnover", "open_interest", "depth")
"""Sums of money or of an asset, which are large."""

# Units that neither the name nor the number tells.
_LABELS = {"volume_24h": "volume_24h (in quote)", "base_volume_24h": "base_volume_24h (in base)"}


def _format(column: Column) -> Json | None:
    if column.name == "fetched_at":
        # "2 minutes ago": what the freshness of a source is read from. The exact time is timestamp + fetch_delay_ms.
        return _AGE
    if column.unit in (Unit.QUOTE, Unit.BASE) and any(amount in column.name for amount in _AMOUNTS):
        return _AMOUNT
    return None if column.unit is None else _BY_UNIT[column.unit]


def _label(column: Column) -> str | None:
    return f"{column.name} (%)" if column.unit is Unit.PERCENT else _LABELS.get(column.name)


def saved_object_for(dataset: Dataset[Any], alias: str) -> Json:
    """The data view on ``alias``. It may be there before the first index is."""
    formats = {column.name: shown for column in dataset.columns if (shown := _format(column))}
    formats |= {old: formats[name] for old, name in dataset.old_names.items()}
    labels = {column.name: label for column in dataset.columns if (label := _label(column))}
    attributes = {
        "title": alias,
        "name": alias.replace("-", " ").capitalize(),
        "timeFieldName": "timestamp",
        "allowNoIndex": True,
        "fields": "[]",
        "sourceFilters": "[]",
        "runtimeFieldMap": "{}",
        "fieldFormatMap": encoded(formats),
        "fieldAttrs": encoded({field: {"customLabel": label} for field, label in labels.items()}),
    }
    return saved_object("index-pattern", names.data_view(dataset), attributes, [])
