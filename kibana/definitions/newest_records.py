"""The saved search: the records as they came, newest first."""

from __future__ import annotations

from kibana import names
from kibana.builders.columns import Json
from kibana.builders.encoding import encoded, saved_object

# The time is a column of its own in front of these.
COLUMNS = (
    "source",
    "symbol",
    "name",
    "quote",
    "price",
    "change_24h",
    "volume_24h",
    "market_cap",
    "fetch_delay_ms",
)

_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def saved_search() -> Json:
    source = {"query": {"query": "", "language": "kuery"}, "filter": [], "indexRefName": _INDEX}
    attributes = {
        "title": "Crypto prices: newest records",
        "description": "Each line is one asset at one source at one poll.",
        "columns": list(COLUMNS),
        "sort": [["timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": encoded(source)},
    }
    reference = {"type": "index-pattern", "id": names.data_view(), "name": _INDEX}
    return saved_object("search", names.NEWEST_RECORDS, attributes, [reference])
