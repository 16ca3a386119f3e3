"""What a record is called: Kafka key and index. All follow from the record alone.

So a replay, a retry, a second poller and a backfill give the same names, and written twice is stored once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from cryptoproxy.datasets.times import from_iso, iso

if TYPE_CHECKING:
    from cryptoproxy.datasets.dataset import AnyRecord, Period

MAX_DOCUMENT_ID_BYTES = 512
"""Elasticsearch refuses a longer ``_id``, and with it the whole bulk request."""


class _Identity(msgspec.Struct, gc=False):
    source: str
    asset_id: str
    quote: str


_identity = msgspec.json.Decoder(_Identity)


def key(record: AnyRecord | _Identity) -> str:
    """The topic's key: one key, one partition, so one asset's records stay in order."""
    return f"{record.source}:{record.asset_id}:{record.quote}"


def key_of(value: bytes) -> bytes:
    """The same of bytes that a codec has made: what is known to be good need not be checked again."""
    return key(_identity.decode(value)).encode()


_LENGTHS = {"day": 10, "month": 7, "year": 4, "ever": 0}
_ENDS = {"day": "", "month": ".01", "year": ".01.01", "ever": "all"}


@lru_cache(maxsize=4096)
def index_name(alias: str, timestamp: str, period: Period | str = "month", shelf: str = "") -> str:
    """``crypto-prices-2026.11.01`` by the record's own time, never by arrival, so that replays meet their copy."""
    begin = timestamp[: _LENGTHS[period]].replace("-", ".") + _ENDS[period]
    return f"{alias}-{shelf}-{begin}" if shelf else f"{alias}-{begin}"


def begin_of(at_ms: int, period: Period | str) -> int:
    """The begin of the day, month or year that this moment is in."""
    time = period_of(iso(at_ms), period)
    return from_iso(f"{time}{'-01-01'[: 10 - len(time)]}T00:00:00.000Z")


def period_of(timestamp: str, period: Period | str) -> str:
    """``2026-11-20``, ``2026-11`` or ``2026``: the period that a record of this time belongs to."""
    return timestamp[: _LENGTHS[period]]
