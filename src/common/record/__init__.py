"""The record: one asset at one source at one poll. The contract between every part.

The bytes on the topic are the bytes in the index (``_source``) and a line in the lake.

| module | tells |
|---|---|
| ``contract`` | the fields, their types and units |
| ``codec`` | record to bytes, bytes to record; what breaks the contract and how it is said |
| ``names`` | key, document id, index, lake object |
| ``times`` | slots and the one spelling of a time |
| ``schema`` | the JSON Schema made from the contract |
"""

from common.record.codec import decode, encode
from common.record.contract import MAX_RECORD_BYTES, SCHEMA_VERSION, SCHEMA_VERSION_HEADER, Record
from common.record.names import Period, document_id, index_name, key, lake_object
from common.record.times import from_iso, iso, slot_of

__all__ = [
    "MAX_RECORD_BYTES",
    "SCHEMA_VERSION",
    "SCHEMA_VERSION_HEADER",
    "Period",
    "Record",
    "decode",
    "document_id",
    "encode",
    "from_iso",
    "index_name",
    "iso",
    "key",
    "lake_object",
    "slot_of",
]
