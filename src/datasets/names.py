"""What a record is called: Kafka key, document id and index. All follow from the record alone.

So a replay, a retry, a second poller and a backfill give the same names, and written twice is stored once.
"""

from __future__ import annotations

import enum
from functools import lru_cache

import msgspec

from cryptoproxy.datasets.ticker import Ticker
from cryptoproxy.datasets.times import from_iso

MAX_DOCUMENT_ID_BYTES = 512
"""Elasticsearch refuses a longer ``_id``, and with it the whole bulk request."""


class Period(enum.StrEnum):
    """How much time one index holds: chosen at set-up, kept in the template's ``_meta``."""

    MONTH = "month"
    DAY = "day"


class _Identity(msgspec.Struct, gc=False):
    source: str
    asset_id: str
    quote: str


_identity = msgspec.json.Decoder(_Identity)


def key(record: Ticker | _Identity) -> str:
    """The topic's key: one key, one partition, so one asset's records stay in order."""
    return f"{record.source}:{record.asset_id}:{record.quote}"


def key_of(value: bytes) -> bytes:
    """The same of bytes that ``encode`` has made: what is known to be good need not be checked again."""
    return key(_identity.decode(value)).encode()


def document_id(record: Ticker) -> str:
    """The identity of a record wherever it is stored: the key and the slot in ms."""
    return f"{key(record)}:{from_iso(record.timestamp)}"


@lru_cache(maxsize=4096)
def index_name(alias: str, timestamp: str, period: Period = Period.MONTH) -> str:
    """``crypto-prices-2026.11.01`` by the record's own slot, never by arrival, so that replays meet their copy."""
    year, month, day = timestamp[0:4], timestamp[5:7], timestamp[8:10]
    return f"{alias}-{year}.{month}.{day if period is Period.DAY else '01'}"
