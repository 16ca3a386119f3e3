"""The record: one asset at one source at one poll. The contract between every part.

The bytes on the topic are the bytes in the index (``_source``) and a line in the lake.

| module | tells |
|---|---|
| ``ticker`` | the fields, their types and units |
| ``codec`` | record to bytes, bytes to record; what breaks the contract and how it is said |
| ``names`` | key, document id, index |
| ``letters`` | the headers of a dead letter |
| ``times`` | slots, spans of them, and the one spelling of a time |
| ``schema`` | the JSON Schema made from the contract; whether a newer one keeps what an older one promised |
| ``asyncapi`` | the topic's AsyncAPI document made from it |
"""

from cryptoproxy.datasets.codec import MAX_AHEAD_MS, decode, encode
from cryptoproxy.datasets.letters import LETTER_HEADERS, NOWHERE, letter, opened, size_of
from cryptoproxy.datasets.names import Period, document_id, index_name, key, key_of
from cryptoproxy.datasets.ticker import (
    MAX_RECORD_BYTES,
    RECORD_HEADERS,
    SCHEMA_VERSION,
    SCHEMA_VERSION_HEADER,
    Ticker,
)
from cryptoproxy.datasets.times import from_iso, iso, slot_of

__all__ = [
    "LETTER_HEADERS",
    "MAX_AHEAD_MS",
    "MAX_RECORD_BYTES",
    "NOWHERE",
    "RECORD_HEADERS",
    "SCHEMA_VERSION",
    "SCHEMA_VERSION_HEADER",
    "Period",
    "Ticker",
    "decode",
    "document_id",
    "encode",
    "from_iso",
    "index_name",
    "iso",
    "key",
    "key_of",
    "letter",
    "opened",
    "size_of",
    "slot_of",
]
