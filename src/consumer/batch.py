"""Consumed records, decoded and made into lines of a bulk request, with what is poison set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cryptoproxy.common.clients.unpacking import UnreadRecord
from cryptoproxy.datasets import (
    MAX_AHEAD_MS,
    SCHEMA_VERSION,
    SCHEMA_VERSION_HEADER,
    Period,
    decode,
    document_id,
    from_iso,
    index_name,
    iso,
)
from cryptoproxy.errors import PoisonError

_quoted = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A consumed record that can never be indexed, and why. ``record`` is kafka-python's ConsumerRecord."""

    record: Any
    reason: str
    error: str


@dataclass(slots=True)
class Batch:
    """What one poll of the topic gave. ``lines[i]`` are the bulk lines of ``records[i]``, bound for ``indices[i]``."""

    lines: list[bytes] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    indices: list[str] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    order: list[Any] = field(default_factory=list)
    """Every consumed record in the order of reading, good or bad: the fuse judges by it."""
    next_offsets: dict[Any, int] = field(default_factory=dict)
    """By TopicPartition: what to commit once all of this is finished."""
    newest: dict[str, str] = field(default_factory=dict)
    """By source: the newest slot in the batch, as its time is spelled."""
    ahead: dict[int, int] = field(default_factory=dict)
    """Lines whose slot, in ms, is too far ahead of the reader's clock: which of the two is wrong is found out later."""


def read(consumed: Mapping[Any, Sequence[Any]], *, alias: str, period: Period, now_ms: int) -> Batch:
    """Decodes what a consumer's ``poll`` returned. The bytes go on as they are; decoding only validates."""
    batch = Batch()
    lines, records, indices, newest = batch.lines, batch.records, batch.indices, batch.newest
    latest = iso(now_ms + MAX_AHEAD_MS)
    checked: Any = None
    """The headers last looked at: records that were sent together share theirs."""
    for partition, read_records in consumed.items():
        batch.order.extend(read_records)
        batch.next_offsets[partition] = read_records[-1].offset + 1
        for record in read_records:
            value = record.value
            try:
                if record.headers is not checked:
                    _check_version(record.headers or ())
                    checked = record.headers
                decoded = decode(value)
            except PoisonError as error:
                if isinstance(record, UnreadRecord):
                    batch.dead.append(DeadLetter(record, record.reason, record.why))
                else:
                    batch.dead.append(DeadLetter(record, error.reason, str(error)))
                continue
            index = index_name(alias, decoded.timestamp, period)
            if decoded.timestamp > latest:
                batch.ahead[len(lines)] = from_iso(decoded.timestamp)
            elif decoded.timestamp > newest.get(decoded.source, ""):
                newest[decoded.source] = decoded.timestamp
            lines.append(
                b'{"create":{"_index":"%b","_id":%b}}\n%b\n' % (index.encode(), _quoted(document_id(decoded)), value)
            )
            records.append(record)
            indices.append(index)
    return batch


def _check_version(headers: Sequence[tuple[str, bytes | None]]) -> None:
    for name, value in headers:
        if name == SCHEMA_VERSION_HEADER and value != str(SCHEMA_VERSION).encode():
            raise PoisonError(
                "schema_version", f"{SCHEMA_VERSION_HEADER} is {value!r}; this indexer knows {SCHEMA_VERSION}"
            )
