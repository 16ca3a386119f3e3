"""One poll while its rows are gone through: each asset once, why a row is no record, and whether all is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from cryptoproxy.datasets import Ticker, iso
from cryptoproxy.datasets.fields import ASSET_ID_PATTERN
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.base import Poll, Rejected

MAX_ID_BYTES = 384
"""With source, quote and slot a longer id would make a document id that Elasticsearch refuses."""

_asset_id = re.compile(ASSET_ID_PATTERN.replace("$", r"\Z"))


@lru_cache(maxsize=16_384)
def usable_id(asset_id: str) -> bool:
    """Whether the contract allows this id: no ``:``, ``/`` or blank, not too long."""
    return _asset_id.match(asset_id) is not None and len(asset_id.encode()) <= MAX_ID_BYTES


def unless_all(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Nothing named, where ``*`` is set for the whole market."""
    return () if symbols == ("*",) else symbols


class Gathering:
    """Collects the records and rejections of one poll.

    The reasons a row is rejected for, each a metric label: ``bad_row`` (no JSON, or a needed field missing or of a
    wrong type), ``bad_id`` (the contract does not allow the id), ``no_price`` (missing, unreadable or not above 0),
    ``no_quote`` (not known before the exchange's list is read anew), ``duplicate`` (the asset was there before: the
    first one counts), ``halted`` (no trade in 24 h), ``other_market`` (belongs to another source), ``absent`` (asked
    for by name, not answered), ``short`` (a page or market of which much is missing, twice one after the other).
    """

    def __init__(self, source: str, *, slot_ms: int, fetched_at_ms: int) -> None:
        self.source = source
        self._slot_ms = slot_ms
        self._fetched_at_ms = fetched_at_ms
        self._timestamp = iso(slot_ms)
        self._fetched_at = iso(fetched_at_ms)
        self.records: list[Ticker] = []
        self.rejected: list[Rejected] = []
        self.seen: set[str] = set()
        """The assets with a usable id that were gone through, whether they became a record or not."""

    def record(
        self, asset_id: str, price: float | None, quote: str | Quotes, *, symbol: str = "", name: str = ""
    ) -> Ticker | None:
        """What a record must have; None if the row was rejected. All else the source sets by attribute: a call looks
        for each of its keywords among all of a struct's fields, which for thirty of them takes as long as decoding the
        row.

        Args:
            quote: as :class:`Quotes` where the asset is a pair, which has no other symbol or name than its id.
        """
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
        if not isinstance(quote, str):
            told = quote.known.get(asset_id) or quote.of(asset_id)  # a call less for nearly every row
            if told is None:
                self.reject("no_quote", asset_id, "its quote currency is told when the list of symbols is read anew")
                return None
            quote = told
        return Ticker(
            source=self.source,
            asset_id=asset_id,
            symbol=symbol or asset_id,
            name=name or asset_id,
            quote=quote,
            price=price,
            timestamp=self._timestamp,
            fetched_at=self._fetched_at,
            fetch_delay_ms=self._fetched_at_ms - self._slot_ms,
        )

    def reject(self, reason: str, asset_id: str, detail: str) -> None:
        self.rejected.append(Rejected(reason, asset_id, detail))

    def reject_rows(self, rejected: Iterable[Rejected], wanted: Collection[str]) -> None:
        """Rows that could not be read. Where only some assets are ``wanted``, those of others are nobody's loss."""
        self.rejected += [row for row in rejected if not (wanted and row.asset_id) or row.asset_id in wanted]

    def missing(self, wanted: Collection[str]) -> list[str]:
        """Those of ``wanted`` that no row was about, not even a bad one."""
        missing = [asset_id for asset_id in wanted if asset_id not in self.seen]
        named = {row.asset_id for row in self.rejected} if missing else ()
        return sorted(asset_id for asset_id in missing if asset_id not in named)

    def reject_absent(self, wanted: Collection[str], detail: str) -> list[str]:
        """:meth:`missing`, each of them rejected."""
        absent = self.missing(wanted)
        for symbol in absent:
            self.reject("absent", symbol, detail)
        return absent

    def poll(self) -> Poll:
        """Raises:
        TransientError: not a single record.
        """
        if not self.records:
            upstream = self.source.partition("-")[0]
            reasons = Counter(row.reason for row in self.rejected)
            told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "no rows"
            some = reasons_of(self.rejected[:3])
            foreign = f"not what {upstream} speaks: " if reasons.keys() - {"absent", "short"} == {"bad_row"} else ""
            raise TransientError(f"{foreign}{self.source} answered without a single record: {told}: {some}"[:1000])
        return Poll(self.records, self.rejected)


def reasons_of(rejected: Iterable[Rejected]) -> str:
    """What is wrong with each row, for an error."""
    return "; ".join(f"{row.asset_id or 'a row'}: {row.detail}" for row in rejected)


class Doubt:
    """An answer that lacks something is asked for once more; what lacks twice one after the other is believed, until
    it is there again. So a hiccup costs a call, and what is really gone costs no slot."""

    def __init__(self) -> None:
        self._last: object = None
        self._believed: object = None
        self._size = 0

    def believes(self, lack: object) -> bool:
        """Args:
        lack: what is missing, comparable; falsy if nothing.
        """
        if lack and lack not in (self._last, self._believed):
            self._last = lack
            return False
        self._last, self._believed = None, lack or None
        return True

    def check_market(self, gathering: Gathering) -> None:
        """A whole market in one answer has no page sizes to compare; but it does not halve from one poll to the next.

        Raises:
            TransientError: it did, for the first time.
        """
        size, before = len(gathering.seen), self._size
        halved = size * 2 < before
        if not self.believes((size, before) if halved else None):
            raise TransientError(f"{gathering.source} answered with {size} assets, where there were {before} before")
        if halved:
            gathering.reject("short", gathering.source, f"{size} assets came, where there were {before} before")
        self._size = size
