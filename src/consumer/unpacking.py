"""Kafka's record batches into records, at half of the client's own cost.

kafka-python unpacks a record through a dozen calls, which was over half of the indexer's CPU (docs/performance.md).
This reads format 2, which every broker since 0.11 writes, a batch at a time. The records are the same to the last
field; what has another format goes the client's own way. Format: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import decode_varint

_CREATE_TIME = 0


def unpack_fast(consumer: Any) -> Any:
    """The same consumer, whose `poll` returns the same records sooner."""
    consumer._fetcher.PartitionRecords = PartitionRecords  # what it makes of each partition's fetched bytes
    return consumer


class PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The fetched bytes of one partition, read as they are taken."""

    def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Iterator[Any]:
        if any(deserializers) or self.isolation_level or not _of_format_2(records):
            yield from super()._unpack_records(tp, records, *deserializers)
            return
        while (batch := records.next_batch()) is not None:
            if not batch.validate_crc():
                raise kafka_errors.CorruptRecordError(
                    f"a batch of {tp} at offset {batch.base_offset} fails its checksum"
                )
            self.leader_epoch = batch.leader_epoch
            if not batch.is_control_batch:
                self.bytes_read += batch.size_in_bytes
                self.records_read += batch.records_count
                for record in unpack(batch, tp.topic, tp.partition):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            # Beyond records that compaction took from the batch's end.
            self.next_fetch_offset = batch.next_offset
        self.drain()


def _of_format_2(records: MemoryRecords) -> bool:
    """A log's older formats come before its newer ones, so the first batch tells."""
    first = records._next_slice
    return first is None or first[MemoryRecords.MAGIC_OFFSET] == 2


def unpack(batch: DefaultRecordBatch, topic: str, partition: int) -> list[Any]:
    """The ConsumerRecords of one batch, whose checksum was compared.

    Raises:
        CorruptRecordError: it is no batch of records.
    """
    batch._maybe_uncompress()
    buffer, at = bytes(batch._buffer), batch._pos
    base, epoch, kind = batch.base_offset, batch.leader_epoch, batch.timestamp_type
    first_timestamp, append_time = batch.first_timestamp, batch.max_timestamp
    known: dict[bytes, tuple[list[Any], int]] = {}  # headers repeat from record to record
    made = []
    new = tuple.__new__
    try:
        for _ in range(batch.records_count):
            length, at = decode_varint(buffer, at)
            end = at + length
            timestamp, at = decode_varint(buffer, at + 1)  # beyond the attributes, of which there are none
            offset, at = decode_varint(buffer, at)
            key_size, at = decode_varint(buffer, at)
            key = None
            if key_size >= 0:
                key = buffer[at : at + key_size]
                at += key_size
            value_size, at = decode_varint(buffer, at)
            value = None
            if value_size >= 0:
                value = buffer[at : at + value_size]
                at += value_size
            rest = buffer[at:end]
            if rest not in known:
                known[rest] = _headers(rest)
            headers, headers_size = known[rest]
            timestamp = first_timestamp + timestamp if kind == _CREATE_TIME else append_time
            made.append(
                new(
                    ConsumerRecord,
                    (topic, partition, epoch, base + offset, timestamp, kind, key, value, headers, None,
                     key_size, value_size, headers_size),
                )
            )  # fmt: skip
            at = end
    except (ValueError, IndexError) as error:
        raise kafka_errors.CorruptRecordError(f"no record in a batch at offset {base}: {error!r}") from error
    if at != len(buffer):
        raise kafka_errors.CorruptRecordError(f"{len(buffer) - at} bytes left after the records of offset {base}")
    return made


def _headers(section: bytes) -> tuple[list[tuple[str, bytes | None]], int]:
    """The headers of a record, and what the client gives as their size."""
    count, at = decode_varint(section, 0)
    headers: list[tuple[str, bytes | None]] = []
    size = 0
    for _ in range(count):
        name_size, at = decode_varint(section, at)
        name = section[at : at + name_size].decode()
        at += name_size
        value_size, at = decode_varint(section, at)
        headers.append((name, None if value_size < 0 else section[at : at + value_size]))
        at += max(0, value_size)
        size += name_size + max(0, value_size)
    if at != len(section) or count < 0:
        raise ValueError(f"{len(section) - at} bytes left after {count} headers")
    return headers, size if headers else -1
