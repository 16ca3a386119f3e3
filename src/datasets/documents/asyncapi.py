"""The topics' contracts as an AsyncAPI 3 document, made from the table; ``docs/asyncapi.yaml`` is its copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import MAX_RECORD_BYTES
from cryptoproxy.datasets.dataset import SCHEMA_VERSION_HEADER, Dataset
from cryptoproxy.datasets.documents.schema import json_schema
from cryptoproxy.datasets.fields import ASSET_ID_PATTERN, QUOTE_PATTERN, SOURCE_PATTERN
from cryptoproxy.datasets.letters import CHANGES_HEADER, LETTER_HEADERS
from cryptoproxy.datasets.names import key

_BINDING = "0.5.0"
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


def document(datasets: Mapping[str, Dataset[Any]]) -> dict[str, Any]:
    """A channel for each dataset, and one for the dead letters of all."""
    letters = f"{datasets['ticker'].topic}.dlq"
    channels: dict[str, Any] = {
        "deadLetters": {
            "address": letters,
            "description": "What can never be indexed, with its original key and value; of every dataset.",
            "messages": {"deadLetter": {"$ref": "#/components/messages/deadLetter"}},
            "bindings": {"kafka": {"topic": letters, "partitions": 1, "bindingVersion": _BINDING}},
        }
    }
    operations: dict[str, Any] = {}
    for name, dataset in datasets.items():
        channels |= _channels(dataset)
        operations[f"publish{name.capitalize()}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"Each record of the dataset: {dataset.says}.",
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Market data, asked for once",
            "version": "1.0.0",
            "description": (
                "What CoinGecko, Binance and Bybit say, asked once for everybody. Made by `make docs` from "
                "`src/datasets`; do not edit.\n\n"
                "At least once: a record may come twice with the same id. One key, one partition, so one asset's "
                "records are in order. Within a schema version optional fields may be added, and nothing is renamed, "
                "removed or narrowed: ignore what you do not know. See docs/consuming.md."
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
        "channels": channels,
        "operations": operations
        | {
            "setAside": {
                "action": "send",
                "channel": {"$ref": "#/channels/deadLetters"},
                "summary": "Indexer and poller set aside what can never be accepted.",
                "messages": [{"$ref": "#/channels/deadLetters/messages/deadLetter"}],
            },
        },
        "components": {
            "messages": {
                **{name: _record(dataset) for name, dataset in datasets.items()},
                "deadLetter": _dead_letter(),
            },
            "schemas": {name: _payload(dataset) for name, dataset in datasets.items()},
        },
    }


def _channels(dataset: Dataset[Any]) -> dict[str, Any]:
    parts = [name for name in dataset.parts if name]
    address = f"{dataset.topic}.{{part}}" if parts else dataset.topic
    return {
        dataset.name: {
            "address": address,
            **({"parameters": {"part": {"enum": parts}}} if parts else {}),
            "description": f"One record is {dataset.says}. Named by the setting KAFKA_TOPIC.",
            "messages": {dataset.name: {"$ref": f"#/components/messages/{dataset.name}"}},
            **({} if parts else {"bindings": {"kafka": {"topic": address, "bindingVersion": _BINDING}}}),
        }
    }


def _record(dataset: Dataset[Any]) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.says.capitalize(),
        "contentType": "application/json",
        "description": f"JSON on one line, at most {MAX_RECORD_BYTES} bytes. The message's time is that of publishing.",
        "headers": {
            "type": "object",
            "properties": {
                SCHEMA_VERSION_HEADER: {
                    "type": "string",
                    "const": str(dataset.version),
                    "description": "A missing one means 1. Stop at another one.",
                }
            },
        },
        "payload": {"$ref": f"#/components/schemas/{dataset.name}"},
        "bindings": {"kafka": {"key": _key(dataset), "bindingVersion": _BINDING}},
        "examples": [
            {
                "name": key(dataset.example),
                "headers": {SCHEMA_VERSION_HEADER: str(dataset.version)},
                "payload": msgspec.json.decode(dataset.codec.encode(dataset.example)),
            }
        ],
    }


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


def _payload(dataset: Dataset[Any]) -> dict[str, Any]:
    return {name: each for name, each in json_schema(dataset).items() if not name.startswith("$")}


def _key(dataset: Dataset[Any]) -> dict[str, Any]:
    parts = [
        pattern.removeprefix("^").removesuffix("$") for pattern in (SOURCE_PATTERN, ASSET_ID_PATTERN, QUOTE_PATTERN)
    ]
    return {
        "type": "string",
        "pattern": f"^{':'.join(parts)}$",
        "description": "source:asset_id:quote",
        "examples": [key(dataset.example)],
    }
