"""Consumed records of a dataset, decoded and made into lines of a bulk request, with what is poison set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.datasets import MAX_AHEAD_MS, SCHEMA_VERSION_HEADER, Dataset, Part, Period, from_iso, index_name, iso
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


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the records of one topic belong."""

    dataset: Dataset[Any]
    part: Part
    alias: str
    period: Period
    """What one of its indices holds."""


def place_of(elastic: Elasticsearch, dataset: Dataset[Any], part: str = "") -> Destination:
    """Of one part of a dataset that is indexed."""
    found = dataset.parts[part]
    return Destination(dataset, found, elastic.alias_of(dataset), elastic.period_of(dataset, found))


def read(consumed: Mapping[Any, Sequence[Any]], place: Destination, *, now_ms: int) -> Batch:
    """Decodes what a consumer's ``poll`` gave of one topic. The bytes go on as they are; decoding only validates."""
    batch = Batch()
    lines, records, indices, newest = batch.lines, batch.records, batch.indices, batch.newest
    dataset, alias, period, shelf = place.dataset, place.alias, place.period, place.part.shelf
    decode, id_of, compacted = dataset.codec.decode, dataset.id_of, dataset.compacted
    part_of = dataset.part if len(dataset.parts) > 1 else None
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
                    check_version(record.headers or (), dataset.version)
                    checked = record.headers
                decoded = decode(value)
                if part_of is not None and part_of(decoded) != place.part.name:
                    _refuse(part_of(decoded), place)
            except PoisonError as error:
                if isinstance(record, UnreadRecord):
                    batch.dead.append(DeadLetter(record, record.reason, record.why))
                else:
                    batch.dead.append(DeadLetter(record, error.reason, str(error)))
                continue
            index = index_name(alias, decoded.timestamp, period, shelf)
            if decoded.timestamp > latest:
                batch.ahead[len(lines)] = from_iso(decoded.timestamp)
            elif decoded.timestamp > newest.get(decoded.source, ""):
                newest[decoded.source] = decoded.timestamp
            if compacted:
                lines.append(
                    b'{"index":{"_index":"%b","_id":%b,"version":%d,"version_type":"external"}}\n%b\n'
                    % (index.encode(), _quoted(id_of(decoded)), from_iso(decoded.fetched_at), value)
                )
            else:
                lines.append(
                    b'{"create":{"_index":"%b","_id":%b}}\n%b\n' % (index.encode(), _quoted(id_of(decoded)), value)
                )
            records.append(record)
            indices.append(index)
    return batch


def check_version(headers: Sequence[tuple[str, bytes | None]], version: int) -> None:
    """Raises a PoisonError for another version of the contract: a field would mean something else there."""
    for name, value in headers:
        if name == SCHEMA_VERSION_HEADER and value != str(version).encode():
            raise PoisonError("schema_version", f"{SCHEMA_VERSION_HEADER} is {value!r}; this indexer knows {version}")


def _refuse(part: str, place: Destination) -> None:
    """Taken, it would stand in another index than its copy on its own topic."""
    called = place.dataset.called
    raise PoisonError("contract", f"a {called(part)} stands on the topic of {called(place.part.name)}")
