"""The JSON Schema of the record, made from the contract; ``docs/record.schema.json`` is its committed copy."""

from __future__ import annotations

from typing import Any

import msgspec

from cryptoproxy.common.record.codec import MAX_DEPTH
from cryptoproxy.common.record.contract import SCHEMA_VERSION, Record


def json_schema() -> dict[str, Any]:
    """Draft 2020-12 schema of one record. Unknown fields are allowed: newer producers may add some."""
    schema = msgspec.json.schema(Record)
    definition: dict[str, Any] = schema["$defs"]["Record"]
    definition["title"] = "crypto-data record"
    definition["description"] += (
        f"\n\nUnknown fields are kept and ignored; their values have at most {MAX_DEPTH} levels. Refused, because "
        "Elasticsearch would not just keep them, are the names of its own fields (_id, _doc_count), those that are "
        "blank or blank between dots, a field of the record with a dot (price., x.price), and last_price, "
        "high_price_24h and low_price_24h."
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"schema-version {SCHEMA_VERSION}; made by `make docs`",
        **definition,
    }
