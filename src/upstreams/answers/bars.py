"""Rows of bars into candles: each bar once, closed ones alone, and why a row is none.

Upstreams write a bar as an array that begins with its stamp and its four prices; what comes behind that differs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from cryptoproxy.datasets import Candle, iso
from cryptoproxy.datasets.codec import EARLIEST_MS, UNREADABLE
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.upstreams.answers.refusals import words
from cryptoproxy.upstreams.answers.rows import pieces, rows_in
from cryptoproxy.upstreams.answers.values import Number
from cryptoproxy.upstreams.base import Rejected

CLOSED_AFTER_MS = 3_000
"""So long after its end, by the upstream's time, a bar may still change: what was fetched earlier is no record."""


class Stamped(msgspec.Struct, array_like=True, gc=False):
    """A row that is an array and begins with a time."""

    stamp_ms: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Bar(Stamped, array_like=True, gc=False):
    """What every upstream's bar begins with."""

    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None


B = TypeVar("B", bound=Stamped)
_next_bar = re.compile(rb'(?<=\])\s*,\s*(?=\[\s*"?\d)')


class BarReader(Generic[B]):
    """Reads arrays of one kind of row: all at once in C, or one by one if one of them is odd. A field that cannot be
    read is None; a bar without a stamp is rejected alone."""

    def __init__(self, upstream: str, bar: type[B]) -> None:
        self._upstream = upstream
        self._bar = bar
        self._all = msgspec.json.Decoder(list[bar], strict=False)  # type: ignore[valid-type]
        self._each = [msgspec.json.Decoder(each.type, strict=False) for each in msgspec.structs.fields(bar)]

    def read(self, body: bytes) -> tuple[list[B], list[Rejected]]:
        """The bars of the array ``body``, and those that are none.

        Raises:
            TransientError: not a JSON array.
        """
        try:
            return self._all.decode(body), []
        except UNREADABLE:
            pass
        bars: list[B] = []
        rejected: list[Rejected] = []
        for row in rows_in(self._upstream, body, _next_bar, row_ends=b"]"):
            bar = self._read_one(row.strip())
            if bar is None:
                rejected.append(Rejected("bad_row", "", f"no bar: {words(row)}"))
            else:
                bars.append(bar)
        return bars, rejected

    def _read_one(self, row: bytes) -> B | None:
        try:
            found = pieces(row, b"[")
        except ValueError:
            return None
        values: list[object] = []
        for decoder, value in zip(self._each, found, strict=False):
            try:
                values.append(decoder.decode(value))
            except UNREADABLE:
                values.append(None)
        return self._bar(*values) if values and values[0] is not None else None  # type: ignore[arg-type]


class BarGathering:
    """Collects the candles of one answer, or of several of one moment.

    The reasons a row is rejected for, each a metric label, beside those of :class:`gathering.Gathering` (``bad_row``,
    ``no_price``, ``no_quote``, ``duplicate``, ``absent``): ``bad_time`` (a stamp of no year in which there were bars:
    other units than milliseconds; in a stream also a bar that is called closed and is not over), ``changed`` (the same
    bar once more with other values: the first one stays). Else a bar that is not over is no fault of its row, and not
    counted.

    Args:
        time_ms: what the upstream's clock showed at least when it answered.
    """

    def __init__(self, source: str, interval: str, *, time_ms: int, fetched_at_ms: int) -> None:
        self.source = source
        self.interval = interval
        self._closed_by_ms = time_ms - CLOSED_AFTER_MS
        self._fetched_at_ms = fetched_at_ms
        self._fetched_at = iso(fetched_at_ms)
        self.records: list[Candle] = []
        self.rejected: list[Rejected] = []
        self._seen: dict[tuple[str, int], Bar] = {}

    def candle(self, symbol: str, name: str, quote: str, bar: Bar, begin_ms: int) -> Candle | None:
        """What a candle must have; volumes the upstream's module sets by attribute, and appends it. None if the row was
        rejected, or is not over.

        Args:
            symbol: the asset's id.
            name: what people call it: the same, but at CoinGecko.
        """
        if not EARLIEST_MS <= begin_ms <= self._fetched_at_ms + DAY_MS:
            self.reject("bad_time", symbol, f"its stamp {bar.stamp_ms} is no time in milliseconds of a bar")
            return None
        timestamp = iso(begin_ms)
        if end_of(timestamp, self.interval) > self._closed_by_ms:
            return None
        before = self._seen.setdefault((symbol, begin_ms), bar)
        if before is not bar:
            reason = "duplicate" if before == bar else "changed"
            self.reject(reason, symbol, f"{timestamp} once more: {bar}" + ("" if before == bar else f", not {before}"))
            return None
        if not (bar.open and bar.high and bar.low and bar.close and min(bar.open, bar.high, bar.low, bar.close) > 0):
            self.reject("no_price", symbol, f"{timestamp}: {bar}")
            return None
        return Candle(
            source=self.source,
            asset_id=symbol,
            symbol=name,
            quote=quote,
            interval=self.interval,  # type: ignore[arg-type]
            timestamp=timestamp,
            fetched_at=self._fetched_at,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
        )

    def reject(self, reason: str, symbol: str, detail: str) -> None:
        self.rejected.append(Rejected(reason, symbol, detail[:300]))


_FETCHED = frozenset({"fetched_at", "fetch_delay_ms"})


def same(one: Any, other: Any) -> bool:
    """Whether two records of one id say the same, whenever they were fetched."""
    return all(getattr(one, field) == getattr(other, field) for field in one.__struct_fields__ if field not in _FETCHED)
