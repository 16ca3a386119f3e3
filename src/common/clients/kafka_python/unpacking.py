"""Kafka's record batches into records, at half of the client's own cost, and whatever stands in them.

kafka-python unpacks a record through a dozen calls, which was over half of the indexer's CPU (docs/performance.md).
This reads format 2, which every broker since 0.11 writes, a batch at a time. The records are the same to the last
field; what has another format goes the client's own way. Format: https://kafka.apache.org/documentation/#recordbatch

It also goes on where the client would stop for good. A broker takes what no reader can use: names of headers that are
no UTF-8, a few kilobytes that are gigabytes when unpacked. Such a batch has the checksum that it was sent with, so it
would be the same each time it is fetched: its records come without content, as :class:`UnreadRecord`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import kafka
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import decode_varint

from cryptoproxy.common.clients.kafka_python.compression import NOT_UNPACKED, TooLargeError, unpacked

LARGE_BYTES = 8 * 1024 * 1024
"""A `poll` takes no further batch after one of this size, however many records it asked for: ours have 256 KiB."""

_CODEC, _APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
"""Of a batch's attributes."""


class UnreadRecord(ConsumerRecord):  # type: ignore[misc]
    """A record whose content cannot be taken out of its batch: without key, value and headers. ``reason`` is a short
    word for it, ``why`` says it."""

    reason: str
    why: str


class KafkaConsumer(kafka.KafkaConsumer):  # type: ignore[misc]
    """kafka-python's, whose `poll` returns the same records sooner, and knows which were missing."""

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._holes: dict[Any, tuple[int, int]] = {}
        self._fetcher.PartitionRecords = partial(PartitionRecords, holes=self._holes)
        append = self._fetcher._append

        def append_unless_large(drained: Any, part: Any, wanted: int, update_offsets: bool) -> int:
            count: int = append(drained, part, wanted, update_offsets)
            return wanted if count and part.large else count

        self._fetcher._append = append_unless_large

    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None:
        """As the client does it; but its thread and sockets are ended also where the group cannot be told."""
        try:
            super().close(autocommit=autocommit, timeout_ms=timeout_ms)
        except Exception:
            self._client.close()
            raise

    def take_holes(self) -> dict[Any, tuple[int, int]]:
        """By TopicPartition, since the last call: how many offsets among those that were read hold no record although
        no transaction explains it, and where that was last. Compaction took these."""
        found = dict(self._holes)
        self._holes.clear()
        return found

    def position_now(self, partition: Any) -> int | None:
        """Where the next `poll` goes on, beyond all that was handed out and all that is no record; asks nobody."""
        state = self._subscription.assignment.get(partition)
        position = None if state is None else state.position
        return None if position is None else int(position.offset)


class PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The fetched bytes of one partition, read as they are taken. Records of aborted transactions are passed over as
    the client does it, where ``isolation_level`` says so."""

    def __init__(
        self, fetch_offset: int, tp: Any, records: Any, *, holes: dict[Any, tuple[int, int]] | None = None, **more: Any
    ) -> None:
        super().__init__(fetch_offset, tp, records, **more)
        self.large = False
        """The records taken last are of a large batch."""
        self._batches = records
        self._holes = {} if holes is None else holes
        self._opened: list[Any] = []
        """Of the batch under way: what is not taken yet."""
        self._opened_is_large = False
        self._after = fetch_offset
        """Where to go on once all that is opened is taken."""
        self._clients_own = bool(more.get("key_deserializer") or more.get("value_deserializer")) or not _of_format_2(
            records
        )

    def take(self, n: int | None = None) -> list[Any]:
        """The next ``n`` records, or all, but none beyond a large batch.

        Raises:
            CorruptRecordError: a batch is not as it was sent; it is fetched again.
        """
        if self._clients_own:
            own: list[Any] = super().take(n)
            return own
        taken: list[Any] = []
        left = sys.maxsize if n is None else n
        self.large = False
        while left and not self.large:
            if not self._opened:
                try:
                    if not self._open_next():
                        break
                except kafka_errors.CorruptRecordError:
                    if taken:
                        break  # these first; the next call comes to it again
                    self.drain()
                    raise
                continue
            self.large = self._opened_is_large
            part = self._opened
            if len(part) <= left:
                self._opened = []
                self.next_fetch_offset = self._after
            else:
                part, self._opened = part[:left], part[left:]
                self.next_fetch_offset = part[-1].offset + 1
            taken += part
            left -= len(part)
        return taken

    def _open_next(self) -> bool:
        """Makes the records of the next batch, if it has any for us; False, and all is drained, at the end."""
        batch = self._batches.next_batch()
        if batch is None:
            self.drain()
            return False
        base, _, epoch, _, _, attributes, last_delta, _, _, producer, _, _, count = batch._header_data
        if not batch.validate_crc():
            # Comes again at the next call, as `next_batch` has gone on already.
            self._batches = _Broken(batch)
            raise kafka_errors.CorruptRecordError(f"a batch of {self.topic_partition} at {base} fails its checksum")
        self.leader_epoch = epoch
        self._after = base + last_delta + 1
        of_transaction = self.isolation_level and producer >= 0
        passed_over = attributes & _CONTROL or (of_transaction and self._is_aborted(batch))
        if not passed_over:
            self.bytes_read += batch.size_in_bytes
            self.records_read += count
            self._opened, size = unpack(batch, self.topic_partition.topic, self.topic_partition.partition)
            self._opened_is_large = size > LARGE_BYTES
            if base < self.fetch_offset:
                self._opened = [record for record in self._opened if record.offset >= self.fetch_offset]
        elif of_transaction and attributes & _CONTROL:
            self._end_transaction(batch)
        if base > self.next_fetch_offset or count != last_delta + 1:
            until = base if passed_over else self._after - len(self._opened)
            self._note_hole(until - self.next_fetch_offset, base + last_delta)
        if not self._opened:
            self.next_fetch_offset = self._after
        return True

    def _is_aborted(self, batch: DefaultRecordBatch) -> bool:
        if not (self.aborted_transactions or self.aborted_producer_ids):
            return False
        self._consume_aborted_transactions_up_to(batch.last_offset)
        aborted: bool = self._is_batch_aborted(batch)
        return aborted

    def _end_transaction(self, batch: DefaultRecordBatch) -> None:
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)

    def _note_hole(self, missing: int, below: int) -> None:
        if missing > 0:
            before, _ = self._holes.get(self.topic_partition, (0, 0))
            self._holes[self.topic_partition] = (before + missing, below)


class _Broken:
    """In place of batches that came to one which is not as it was sent: that one again."""

    def __init__(self, batch: DefaultRecordBatch) -> None:
        self._batch = batch

    def next_batch(self) -> DefaultRecordBatch:
        return self._batch


def _of_format_2(records: MemoryRecords) -> bool:
    """A log's older formats come before its newer ones, so the first batch tells."""
    first = records._next_slice
    return first is None or first[MemoryRecords.MAGIC_OFFSET] == 2


def unpack(batch: DefaultRecordBatch, topic: str, partition: int) -> tuple[list[Any], int]:
    """The ConsumerRecords of one batch, whose checksum was compared, and how many bytes they are unpacked. Where it is
    no batch of records, or too large, each offset of it is an :class:`UnreadRecord`."""
    codec = batch._header_data[5] & _CODEC
    try:
        if codec:
            buffer, at = unpacked(codec, memoryview(batch._buffer)[batch._pos :]), 0
        else:
            buffer, at = bytes(batch._buffer), batch._pos
    except TooLargeError as error:
        return _unread(batch, topic, partition, "too_large", str(error)), 0
    except NOT_UNPACKED as error:
        return _unread(batch, topic, partition, "unreadable", f"the batch cannot be unpacked: {error!r}"), 0
    try:
        return _records(batch, buffer, at, topic, partition), len(buffer)
    except (ValueError, IndexError) as error:
        return _unread(batch, topic, partition, "unreadable", f"no record in its batch: {error!r}"), 0


def _records(batch: DefaultRecordBatch, buffer: bytes, at: int, topic: str, partition: int) -> list[Any]:
    base, _, epoch, _, _, attributes, _, first_timestamp, append_time, _, _, _, count = batch._header_data
    kind = 1 if attributes & _APPEND_TIME else 0
    known: dict[bytes, tuple[list[Any], int]] = {}  # headers repeat from record to record
    made = []
    new = tuple.__new__
    for _ in range(count):
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
        made.append(
            new(
                ConsumerRecord,
                (topic, partition, epoch, base + offset, append_time if kind else first_timestamp + timestamp, kind,
                 key, value, headers, None, key_size, value_size, headers_size),
            )
        )  # fmt: skip
        at = end
    if at != len(buffer):
        raise ValueError(f"{len(buffer) - at} bytes left after the records")
    return made


def _headers(section: bytes) -> tuple[list[tuple[str, bytes | None]], int]:
    """The headers of a record, and what the client gives as their size. A name is bytes to a broker: one that is no
    UTF-8 is spelled with half surrogate pairs, as Python spells such names of files."""
    count, at = decode_varint(section, 0)
    headers: list[tuple[str, bytes | None]] = []
    size = 0
    for _ in range(count):
        name_size, at = decode_varint(section, at)
        name = section[at : at + name_size].decode(errors="surrogateescape")
        at += name_size
        value_size, at = decode_varint(section, at)
        headers.append((name, None if value_size < 0 else section[at : at + value_size]))
        at += max(0, value_size)
        size += name_size + max(0, value_size)
    if at != len(section) or count < 0:
        raise ValueError(f"{len(section) - at} bytes left after {count} headers")
    return headers, size if headers else -1


def _unread(batch: DefaultRecordBatch, topic: str, partition: int, reason: str, why: str) -> list[UnreadRecord]:
    made = []
    for offset in range(batch.base_offset, batch.next_offset):
        record = UnreadRecord(
            topic, partition, batch.leader_epoch, offset, batch.max_timestamp, batch.timestamp_type,
            None, None, [], None, -1, -1, -1,
        )  # fmt: skip
        record.reason, record.why = reason, why
        made.append(record)
    return made
