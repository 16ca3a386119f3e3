"""The data view: the alias, its time, and how each field's numbers look in Discover and in charts."""

from __future__ import annotations

from kibana import names
from kibana.builders.columns import Json, kibana_type
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

FORMATS = {
    _field: _shown_as
    for _shown_as, _fields in (
        (
            _PRICE,
            "price last_price high_24h high_price_24h low_24h low_price_24h open_24h bid_price ask_price "
            "price_change_24h index_price mark_price prev_price_1h prev_price_24h",
        ),
        (_AMOUNT, "market_cap volume_24h base_volume_24h turnover_24h total_volume open_interest"),
        (_COUNT, "market_cap_rank trades_24h fetch_delay_ms interval_ms"),
        (_PERCENT, "change_1h change_24h change_7d"),
        (_FRACTION, "price_1h_pcnt price_24h_pcnt funding_rate"),
        # "2 minutes ago": what the freshness of a source is read from. The exact time is timestamp + fetch_delay_ms.
        (_AGE, "fetched_at"),
    )
    for _field in _fields.split()
}

# Units that neither the name nor the number tells.
LABELS = {
    "change_1h": "change_1h (%)",
    "change_24h": "change_24h (%)",
    "change_7d": "change_7d (%)",
    "volume_24h": "volume_24h (in quote)",
    "base_volume_24h": "base_volume_24h (in base)",
}


def saved_object_for(alias: str) -> Json:
    """The data view on ``alias``. It may be there before the first index is."""
    for field in (*FORMATS, *LABELS):
        kibana_type(field)  # raises for one that the mapping lacks
    attributes = {
        "title": alias,
        "name": "Crypto prices",
        "timeFieldName": "timestamp",
        "allowNoIndex": True,
        "fields": "[]",
        "sourceFilters": "[]",
        "runtimeFieldMap": "{}",
        "fieldFormatMap": encoded(FORMATS),
        "fieldAttrs": encoded({field: {"customLabel": label} for field, label in LABELS.items()}),
    }
    return saved_object("index-pattern", names.DATA_VIEW, attributes, [])
