"""One poll while its rows are gone through: each asset once, and why a row is no record."""

from __future__ import annotations

import re
from functools import lru_cache

from cryptoproxy.common.record import Record, iso
from cryptoproxy.common.record.contract import ASSET_ID_PATTERN
from cryptoproxy.producer.sources.base import Poll, Rejected

MAX_ID_BYTES = 384
"""With source, quote and slot a longer id would make a document id that Elasticsearch refuses."""

_asset_id = re.compile(ASSET_ID_PATTERN.replace("$", r"\Z"))


@lru_cache(maxsize=16_384)
def usable_id(asset_id: str) -> bool:
    """Whether the contract allows this id: no ``:``, ``/`` or blank, not too long."""
    return _asset_id.match(asset_id) is not None and len(asset_id.encode()) <= MAX_ID_BYTES


class Gathering:
    """Collects the records and rejections of one poll.

    The reasons a row is rejected for, each a metric label: ``bad_row`` (a needed field missing or of a wrong
    type), ``bad_id`` (the contract does not allow the id), ``no_price`` (missing, unreadable or not above 0),
    ``duplicate`` (the asset was there before: the first one counts), ``halted`` (no trade in 24 h),
    ``other_market`` (belongs to another source), ``absent`` (asked for by name, not answered).
    """

    def __init__(self, source: str, *, slot_ms: int, fetched_at_ms: int) -> None:
        self._source = source
        self._slot_ms = slot_ms
        self._fetched_at_ms = fetched_at_ms
        self._timestamp = iso(slot_ms)
        self._fetched_at = iso(fetched_at_ms)
        self.records: list[Record] = []
        self.rejected: list[Rejected] = []
        self.seen: set[str] = set()
        """The assets with a usable id that were gone through, whether they became a record or not."""

    def price_of(self, asset_id: str, price: float | None) -> float | None:
        """The price if this row is to become a record; None if it was rejected."""
        if asset_id in self.seen:
            self.reject("duplicate", asset_id, "a second row of the same asset")
            return None
        if not usable_id(asset_id):
            self.reject("bad_id", asset_id[:128], "the contract allows no ':', '/' or blank and 1 to 128 characters")
            return None
        self.seen.add(asset_id)
        if price is None or price <= 0:
            self.reject("no_price", asset_id, f"price {'missing or unreadable' if price is None else price}")
            return None
        return price

    def record(self, *, asset_id: str, symbol: str, name: str, quote: str, price: float) -> Record:
        """What a record must have. All else the source sets by attribute: a call looks for each of its keywords among
        all of a struct's fields, which for thirty of them takes as long as decoding the row.
        """
        return Record(
            source=self._source,
            asset_id=asset_id,
            symbol=symbol,
            name=name,
            quote=quote,
            price=price,
            timestamp=self._timestamp,
            fetched_at=self._fetched_at,
            fetch_delay_ms=self._fetched_at_ms - self._slot_ms,
        )

    def reject(self, reason: str, asset_id: str, detail: str) -> None:
        self.rejected.append(Rejected(reason, asset_id, detail))

    def poll(self) -> Poll:
        return Poll(self._source, self._slot_ms, self._fetched_at_ms, self.records, self.rejected)
