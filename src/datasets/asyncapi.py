"""The topic's contract as an AsyncAPI 3 document, made from the record; ``docs/asyncapi.yaml`` is its copy."""

from __future__ import annotations

from typing import Any

import msgspec

from cryptoproxy.datasets.codec import encode
from cryptoproxy.datasets.letters import CHANGES_HEADER, LETTER_HEADERS
from cryptoproxy.datasets.names import key
from cryptoproxy.datasets.schema import json_schema
from cryptoproxy.datasets.ticker import (
    ASSET_ID_PATTERN,
    MAX_RECORD_BYTES,
    QUOTE_PATTERN,
    SCHEMA_VERSION,
    SCHEMA_VERSION_HEADER,
    SOURCE_PATTERN,
    Ticker,
)

TOPIC = "crypto-data"
_BINDING = "0.5.0"
_EXAMPLE = Ticker(
    source="coingecko",
    asset_id="bitcoin",
    symbol="BTC",
    name="Bitcoin",
    quote="USD",
    price=69123.12,
    timestamp="2026-11-20T10:00:00.000Z",
    fetched_at="2026-11-20T10:00:00.310Z",
    fetch_delay_ms=310,
    last_updated="2026-11-20T09:59:40.100Z",
    market_cap=1360000000000.0,
    market_cap_rank=1,
    change_24h=-1.2345,
    interval_ms=60_000,
)
_LETTER_MEANINGS = dict(
    zip(
        LETTER_HEADERS,
        (
            "Why, as a short word.",
            "Why, in words; at most 1 KiB.",
            "The record's topic.",
            "Its partition; -1 for one that never got onto the topic.",
            "Its offset; -1 for one that never got onto the topic.",
            "When it was set aside.",
        ),
        strict=True,
    )
)

_CHANGES_MEANING = (
    "Only where the letter is not as the record was, right after the others: JSON. `no_value`: the record had neither "
    "key nor value, the letter's is empty. `no_header_values`: positions of its headers that had no value. "
    "`header_names`: by position, names that are no UTF-8, in hex. `left_out`: the bytes of a content that could not "
    "be written and is not there (-1: nor be read)."
)


def document() -> dict[str, Any]:
    """Two channels: the records, which everybody may read, and the dead letters."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "crypto-data",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": (
                "Prices of CoinGecko, Binance and Bybit, polled once for everybody. One message is one asset at one "
                "source at one poll. Made by `make docs` from `src/datasets`; do not edit.\n\n"
                "At least once: a record may come twice with the same bytes. Its id is key and `timestamp`. One key, "
                "one partition, so one asset's records are in order. Within a schema version optional fields may be "
                "added, and nothing is renamed, removed or narrowed: ignore what you do not know. See "
                "docs/consuming.md."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "As `cryptoproxy up` starts it; elsewhere with TLS and a login.",
            }
        },
        "channels": {
            "records": {
                "address": TOPIC,
                "description": "Named by the setting KAFKA_TOPIC.",
                "messages": {"record": {"$ref": "#/components/messages/record"}},
                "bindings": {"kafka": {"topic": TOPIC, "bindingVersion": _BINDING}},
            },
            "deadLetters": {
                "address": f"{TOPIC}.dlq",
                "description": "What can never be indexed, with its original key and value.",
                "messages": {"deadLetter": {"$ref": "#/components/messages/deadLetter"}},
                "bindings": {"kafka": {"topic": f"{TOPIC}.dlq", "partitions": 1, "bindingVersion": _BINDING}},
            },
        },
        "operations": {
            "publishRecords": {
                "action": "send",
                "channel": {"$ref": "#/channels/records"},
                "summary": "The poller sends each record of a poll.",
                "messages": [{"$ref": "#/channels/records/messages/record"}],
            },
            "setAside": {
                "action": "send",
                "channel": {"$ref": "#/channels/deadLetters"},
                "summary": "Indexer and poller set aside what can never be accepted.",
                "messages": [{"$ref": "#/channels/deadLetters/messages/deadLetter"}],
            },
        },
        "components": {
            "messages": {"record": _record(), "deadLetter": _dead_letter()},
            "schemas": {"record": _payload()},
        },
    }


def _record() -> dict[str, Any]:
    return {
        "name": "record",
        "title": "One asset at one source at one poll",
        "contentType": "application/json",
        "description": f"JSON on one line, at most {MAX_RECORD_BYTES} bytes. The message's time is that of publishing.",
        "headers": {
            "type": "object",
            "properties": {
                SCHEMA_VERSION_HEADER: {
                    "type": "string",
                    "const": str(SCHEMA_VERSION),
                    "description": "A missing one means 1. Stop at another one.",
                }
            },
        },
        "payload": {"$ref": "#/components/schemas/record"},
        "bindings": {"kafka": {"key": _key(), "bindingVersion": _BINDING}},
        "examples": [
            {"name": key(_EXAMPLE), "headers": {SCHEMA_VERSION_HEADER: str(SCHEMA_VERSION)}, "payload": _example()}
        ],
    }


def _example() -> Any:
    return msgspec.json.decode(encode(_EXAMPLE))


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "deadLetter",
        "title": "A record set aside",
        "contentType": "application/octet-stream",
        "description": (
            "Key and value are the original bytes, whatever they are; the original's headers follow ours. Without "
            "them where `dlq-changes` says so."
        ),
        "headers": {
            "type": "object",
            "required": list(LETTER_HEADERS),
            "properties": {
                name: {"type": "string", "description": meaning}
                for name, meaning in (_LETTER_MEANINGS | {CHANGES_HEADER: _CHANGES_MEANING}).items()
            },
        },
        "payload": {"description": "The original bytes."},
    }


def _payload() -> dict[str, Any]:
    return {name: each for name, each in json_schema().items() if not name.startswith("$")}


def _key() -> dict[str, Any]:
    parts = [
        pattern.removeprefix("^").removesuffix("$") for pattern in (SOURCE_PATTERN, ASSET_ID_PATTERN, QUOTE_PATTERN)
    ]
    return {
        "type": "string",
        "pattern": f"^{':'.join(parts)}$",
        "description": "source:asset_id:quote",
        "examples": [key(_EXAMPLE)],
    }
