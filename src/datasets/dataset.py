"""What a dataset is: one kind of record, and everything that differs between kinds. The table of them is ``DATASETS``.

Looked up once per partition, outbox entry or poll, never per record.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from cryptoproxy.datasets.codec import Codec
from cryptoproxy.datasets.fields import Column, columns
from cryptoproxy.datasets.names import begin_of, key, period_of
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span

SCHEMA_VERSION_HEADER = "schema-version"
"""Kafka header with the version as ASCII digits; a record without it is version 1."""


class AnyRecord(Protocol):
    """What every record has."""

    source: str
    asset_id: str
    quote: str
    timestamp: str
    fetched_at: str


R = TypeVar("R", bound=AnyRecord)


class Period(enum.StrEnum):
    """How much time one index, or one file of the lake, holds."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    EVER = "ever"
    """All of it: of a compacted dataset the one index, since what replaces a document must meet it there."""


EVER = Span(0, 253_402_300_800_000)
_LONGEST = {Period.DAY: DAY_MS, Period.MONTH: 31 * DAY_MS, Period.YEAR: 366 * DAY_MS}
_STEPS = {Period.DAY: HOUR_MS, Period.MONTH: DAY_MS, Period.YEAR: 10 * DAY_MS, Period.EVER: 10 * DAY_MS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a dataset stands on a topic of its own; most datasets have one part without a name."""

    name: str = ""
    """``1m``: topic ``crypto.ohlcv.1m``, source ``binance.candle-1m``."""
    shelf: str = ""
    """Stands in the names of its indices; parts of one shelf share them."""
    period: Period = Period.MONTH
    """What one index holds."""
    file: Period = Period.DAY
    """What one compacted file of the lake holds. No raw object, and no outbox entry, reaches beyond one."""

    def file_of(self, timestamp: str) -> str:
        """The file that a record of this time belongs to: ``2026-11-20``, ``2026-11`` or ``2026``."""
        return period_of(timestamp, self.file)

    def file_span(self, at_ms: int) -> Span:
        """The times that the file of this moment holds."""
        if self.file is Period.EVER:
            return EVER
        begin = begin_of(at_ms, self.file)
        # Into the next one from any day of this one, then back to its first.
        return Span(begin, begin_of(begin + _LONGEST[self.file], self.file))

    def steps(self, span: Span) -> Iterator[Span]:
        """``span`` in pieces that fit into memory, each within one file's: an hour where a file holds a day, ten days
        where it holds a year."""
        at_ms = span.begin_ms
        while at_ms < span.end_ms:
            within = Span(at_ms, min(span.end_ms, self.file_span(at_ms).end_ms))
            yield from within.parts(_STEPS[self.file])
            at_ms = within.end_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Generic[R]):
    """One kind of record."""

    name: str
    says: str
    """One record is …"""
    record: type[R]
    serial: Callable[[R], object]
    """What tells apart the records of one key; no ``:`` in it. Follows from the record alone."""
    check: Callable[[R], None]
    """Raises PoisonError, or ValueError where a time or a number is not what its column says."""
    example: R
    topic: str
    """By default; with parts what their topics begin with."""
    alias: str | None
    """By default; None where nothing is indexed."""
    parts: Mapping[str, Part] = field(default_factory=lambda: {"": Part()})
    part: Callable[[R], str] = lambda _: ""
    version: int = 1
    compacted: bool = False
    """The newest record of a key counts, and replaces the one before it."""
    corrected: bool = False
    """An upstream may tell a record anew with other values. The first copy stays; the indexer says what differs."""
    order: Sequence[str] = ("symbol", "timestamp", "asset_id", "quote")
    """How the rows of a file of the lake are sorted."""
    old_names: Mapping[str, str] = field(default_factory=dict)
    """Names that readers of the index may still use, and the field that each means."""
    codec: Codec[R] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", Codec(self.record, self.check))

    def id_of(self, record: R) -> str:
        """The identity of a record wherever it is stored: written twice is stored once."""
        return key(record) if self.compacted else f"{key(record)}:{self.serial(record)}"

    def called(self, part: str = "") -> str:
        """``ticker``, ``candle-1m``: the dataset and what of it, as commands and settings spell it."""
        return f"{self.name}-{part}" if part else self.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The fields of its record, in order."""
        return columns(self.record)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """What each of its records has on a topic."""
        return [(SCHEMA_VERSION_HEADER, str(self.version).encode())]
