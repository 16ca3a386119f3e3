"""Unpacked here or by the client: the same records, to the last field, and the same place to go on."""

from __future__ import annotations

import gzip
import inspect
import struct
from types import SimpleNamespace
from typing import Any

import kafka
import lz4.frame
import pytest
import snappy
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBase
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from cryptoproxy.common.clients.kafka_python import compression, unpacking
from cryptoproxy.common.clients.kafka_python.unpacking import KafkaConsumer, PartitionRecords, UnreadRecord

PARTITION = TopicPartition("crypto-data", 2)
NONE, GZIP, SNAPPY, LZ4, ZSTD = CODECS = range(5)
TRANSACTIONAL, CONTROL = 0x10, 0x20
READ_COMMITTED = 1

texts = st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=20), st.none() | texts), max_size=3)
records = st.tuples(st.none() | texts, st.none() | texts, headers, st.integers(0, 2**41))
batches = st.lists(st.tuples(st.lists(records, min_size=1, max_size=20), st.sampled_from(CODECS)), max_size=4)


def fetched(made: list[tuple[list[Any], int]], *, base: int = 40) -> bytes:
    """What a broker answers: batches one after the other, their offsets without gaps."""
    content = b""
    for each, codec in made:
        builder = MemoryRecordsBuilder(magic=2, compression_type=codec, batch_size=1 << 20, offset=base)
        for key, value, found, timestamp in each:
            assert builder.append(timestamp=timestamp, key=key, value=value, headers=found) is not None
        builder.close()
        content += bytes(builder.buffer())
        base += len(each)
    return content


def read(kind: Any, content: bytes, *, offset: int = 40, at_once: int = 7, **more: Any) -> tuple[list[Any], int]:
    reader = kind(offset, PARTITION, MemoryRecords(content), **more)
    taken: list[Any] = []
    while reader:
        taken += reader.take(at_once)
    return taken, reader.next_fetch_offset


def batch_of(
    records: bytes, *, base: int = 40, count: int = 1, span: int | None = None, attributes: int = 0, producer: int = -1
) -> bytes:
    """A batch with these bytes after its header, which has the right checksum.

    Args:
        span: offsets that the batch stands for, where these are more than its records.
    """
    form = DefaultRecordBase.HEADER_STRUCT
    size = form.size + len(records) - DefaultRecordBase.AFTER_LEN_OFFSET
    last = (count if span is None else span) - 1
    content = bytearray(
        form.pack(base, size, 0, 2, 0, attributes, last, 1_000, 1_000, producer, 0, -1, count) + records
    )
    checksum = calc_crc32c(memoryview(content)[DefaultRecordBase.ATTRIBUTES_OFFSET :])
    struct.pack_into(">I", content, DefaultRecordBase.CRC_OFFSET, checksum)
    return bytes(content)


def raw(*values: bytes, deltas: Any = None, headers: bytes = b"\x00") -> bytes:
    """Records with these values, as they stand in a batch."""
    made = b""
    for at, value in zip(deltas or range(len(values)), values, strict=True):
        body = b"\x00\x00" + varint(at) + b"\x01" + varint(len(value)) + value + headers
        made += varint(len(body)) + body
    return made


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    made = b""
    while number > 0x7F:
        made += bytes([0x80 | number & 0x7F])
        number >>= 7
    return made + bytes([number])


def marker(base: int, *, commit: bool, producer: int) -> bytes:
    """How a broker ends a transaction."""
    key = struct.pack(">hh", 0, int(commit))
    body = b"\x00\x00\x00" + varint(len(key)) + key + varint(6) + b"\x00" * 6 + b"\x00"
    return batch_of(varint(len(body)) + body, base=base, attributes=TRANSACTIONAL | CONTROL, producer=producer)


def values(taken: list[Any]) -> list[bytes | None]:
    return [record.value for record in taken]


@given(batches, st.integers(0, 30), st.integers(1, 30))
def test_the_same_records_as_the_client_and_the_same_next_offset(
    made: list[tuple[list[Any], int]], into: int, at_once: int
) -> None:
    content = fetched(made)
    expected = read(Fetcher.PartitionRecords, content, offset=40 + into, at_once=at_once)
    assert read(PartitionRecords, content, offset=40 + into, at_once=at_once) == expected


def test_a_large_record_is_whole() -> None:
    value = bytes(range(256)) * 256
    ((record,), _) = read(PartitionRecords, fetched([([(b"key", value, [], 5)], LZ4)]))
    assert (record.key, record.value, record.offset, record.timestamp) == (b"key", value, 40, 5)


def test_a_flipped_bit_is_no_record() -> None:
    content = bytearray(fetched([([(b"key", b"value", [("a", b"b")], 5)] * 3, NONE)]))
    content[-3] ^= 1
    with pytest.raises(kafka_errors.CorruptRecordError, match="checksum"):
        read(PartitionRecords, bytes(content))


def test_a_batch_cut_by_the_end_of_the_answer_is_left_for_the_next() -> None:
    content = fetched([([(b"a", b"1", [], 5)] * 2, NONE), ([(b"b", b"2", [], 6)] * 2, NONE)])
    taken, at = read(PartitionRecords, content[:-4])
    assert ([record.key for record in taken], at) == ([b"a", b"a"], 42)


def test_formats_of_before_kafka_0_11_go_the_clients_own_way() -> None:
    builder = MemoryRecordsBuilder(magic=1, compression_type=NONE, batch_size=1 << 20, offset=40)
    for _ in range(3):
        builder.append(timestamp=5, key=b"key", value=b"value", headers=[])
    builder.close()
    content = bytes(builder.buffer())
    assert read(PartitionRecords, content) == read(Fetcher.PartitionRecords, content)
    assert len(read(PartitionRecords, content)[0]) == 3


def test_the_client_reads_by_the_attribute_that_is_replaced() -> None:
    """A version of it that does otherwise would go unnoticed: only slower."""
    assert "self.PartitionRecords(" in inspect.getsource(Fetcher)


@pytest.mark.parametrize(
    ("codec", "packed"),
    [
        (GZIP, lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:])),
        (SNAPPY, snappy.compress),  # as librdkafka writes it; Java's blocks are in the strategy above
        (LZ4, lambda content: lz4.frame.compress(content, store_size=False)),
        (ZSTD, lambda content: zstandard.ZstdCompressor(write_content_size=False).compress(content)),
    ],
)
def test_every_way_in_which_other_clients_compress_is_read(codec: int, packed: Any) -> None:
    content = batch_of(packed(raw(b"one", b"two")), count=2, attributes=codec)
    assert values(read(PartitionRecords, content)[0]) == [b"one", b"two"]


# --- what the client stops at


def test_a_name_of_a_header_that_is_no_utf_8_is_a_name() -> None:
    content = batch_of(raw(b"good", headers=varint(1) + varint(3) + b"\xff\xfet" + varint(1) + b"1"))
    ((record,), _) = read(PartitionRecords, content)
    assert (record.value, record.headers) == (b"good", [("\udcff\udcfet", b"1")])
    with pytest.raises(kafka_errors.CorruptRecordError):
        read(Fetcher.PartitionRecords, content)


def zeros(codec: int, size: int) -> bytes:
    content = raw(b"\x00" * size)
    packed = {
        GZIP: gzip.compress,
        SNAPPY: snappy.compress,
        LZ4: lz4.frame.compress,
        ZSTD: zstandard.ZstdCompressor().compress,
    }[codec](content)
    return bytes(packed)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_what_is_far_too_much_when_unpacked_is_a_record_without_content(
    codec: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "MAX_UNPACKED_BYTES", 1 << 20)
    bomb = batch_of(zeros(codec, 1 << 21), base=41, attributes=codec)
    content = batch_of(raw(b"before")) + bomb + batch_of(raw(b"after"), base=42)
    taken, at = read(PartitionRecords, content)
    assert (values(taken), at) == ([b"before", None, b"after"], 43)
    assert isinstance(taken[1], UnreadRecord)
    assert (taken[1].offset, taken[1].key, taken[1].headers, taken[1].reason) == (41, None, [], "too_large")
    assert str(1 << 20) in taken[1].why
    fits = batch_of(zeros(codec, (1 << 20) - 100), attributes=codec)
    assert len(read(PartitionRecords, fits)[0][0].value) == (1 << 20) - 100


def test_a_size_that_a_frame_only_claims_is_not_asked_of_memory() -> None:
    packed = bytearray(lz4.frame.compress(raw(b"x" * 100)))
    packed[6:14] = (1 << 62).to_bytes(8, "little")
    content = batch_of(bytes(packed), attributes=LZ4)
    assert read(PartitionRecords, content)[0][0].reason in ("too_large", "unreadable")


@pytest.mark.parametrize(
    "content",
    [
        *(batch_of(b"neither packed nor records", attributes=codec, count=2) for codec in CODECS),
        *(batch_of(zeros(codec, 5_000)[:-9], attributes=codec, count=2) for codec in (GZIP, SNAPPY, LZ4, ZSTD)),
        batch_of(snappy.compress(raw(b"x")), attributes=7, count=2),  # a compression that there is not
        batch_of(b"\x82SNAPPY\x00" + bytes(8) + b"\xff\xff\xff\xff", attributes=SNAPPY, count=2),
        batch_of(raw(b"one", b"two") + b"\x00", count=2),
        batch_of(raw(b"one"), count=2),
        batch_of(raw(b"one", b"two", headers=varint(-1)), count=2),
        batch_of(raw(b"one", b"two", headers=varint(1) + varint(9) + b"short"), count=2),
        batch_of(b"\xff" * 40, count=2),
    ],
)
def test_a_batch_that_was_sent_so_is_the_same_each_time_and_stops_nothing(content: bytes) -> None:
    taken, at = read(PartitionRecords, content + batch_of(raw(b"after"), base=42))
    assert [record.offset for record in taken] == [40, 41, 42]
    assert at == 43
    assert [getattr(record, "reason", "") for record in taken] == ["unreadable", "unreadable", ""]
    assert all(record.why for record in taken[:2])


def test_what_is_broken_on_its_way_is_not_passed_over() -> None:
    """Also where good records before it were handed out; it is fetched again after that."""
    broken = bytearray(batch_of(raw(b"value"), base=41))
    broken[-3] ^= 1
    reader = PartitionRecords(40, PARTITION, MemoryRecords(batch_of(raw(b"good")) + bytes(broken)))
    assert values(reader.take(5)) == [b"good"]
    assert reader.next_fetch_offset == 41
    with pytest.raises(kafka_errors.CorruptRecordError, match="checksum"):
        reader.take(5)
    assert not reader


def test_no_more_than_one_large_batch_is_taken_at_once() -> None:
    large = [batch_of(zeros(GZIP, unpacking.LARGE_BYTES + 1), base=41 + at, attributes=GZIP) for at in range(2)]
    reader = PartitionRecords(40, PARTITION, MemoryRecords(b"".join([batch_of(raw(b"small")), *large])))
    sizes = []
    while reader:
        sizes.append(([len(each.value) for each in reader.take(100)], reader.large))
    assert sizes[:2] == [([5, unpacking.LARGE_BYTES + 1], True), ([unpacking.LARGE_BYTES + 1], True)]


# --- transactions


class Aborted:
    def __init__(self, producer_id: int, first_offset: int) -> None:
        self.producer_id, self.first_offset = producer_id, first_offset


def transactions(*steps: tuple[int, str]) -> tuple[bytes, list[Aborted]]:
    """``(producer, step)``: a record of its transaction, its commit, its abort, or a record outside of any. With what
    the broker tells of those that were aborted."""
    content, aborted, begun = b"", [], {}
    for offset, (producer, step) in enumerate(steps, 40):
        if step == "record":
            begun.setdefault(producer, offset)
            content += batch_of(raw(b"%d" % offset), base=offset, attributes=TRANSACTIONAL, producer=producer)
        elif step == "plain":
            content += batch_of(raw(b"%d" % offset), base=offset, producer=producer)
        else:
            content += marker(offset, commit=step == "commit", producer=producer)
            first = begun.pop(producer, None)
            if step == "abort" and first is not None:
                aborted.append(Aborted(producer, first))
    return content, aborted


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["record", "record", "commit", "abort", "plain"])), max_size=25
    ),
    st.integers(0, 1),
    st.integers(0, 10),
)
def test_what_a_transaction_took_back_is_read_as_the_client_reads_it(
    steps: list[tuple[int, str]], isolation: int, into: int
) -> None:
    content, aborted = transactions(*steps)
    more = {"offset": 40 + into, "isolation_level": isolation, "aborted_transactions": aborted}
    assert read(PartitionRecords, content, **more) == read(Fetcher.PartitionRecords, content, **more)


def test_records_of_an_aborted_transaction_and_marks_are_passed_over() -> None:
    content, aborted = transactions((7, "record"), (8, "record"), (7, "abort"), (7, "record"), (7, "commit"))
    holes: dict[Any, Any] = {}
    taken, at = read(
        PartitionRecords, content, isolation_level=READ_COMMITTED, aborted_transactions=aborted, holes=holes
    )
    assert (values(taken), at, holes) == ([b"41", b"43"], 45, {})


def test_the_place_to_go_on_is_beyond_marks_in_the_same_take() -> None:
    """So that they are no lag."""
    content, aborted = transactions((7, "record"), (7, "commit"))
    reader = PartitionRecords(40, PARTITION, MemoryRecords(content), isolation_level=READ_COMMITTED)
    assert values(reader.take(10)) == [b"40"]
    assert reader.next_fetch_offset == 42
    assert aborted == []


# --- holes


@pytest.mark.parametrize(
    ("content", "offset", "missing"),
    [
        (batch_of(raw(b"a", b"b"), count=2), 40, 0),
        (batch_of(raw(b"a"), base=45), 40, 5),
        (batch_of(raw(b"a"), base=45), 45, 0),
        (batch_of(raw(b"a", b"b", deltas=[0, 4]), count=2, span=6), 40, 4),
        (batch_of(raw(b"a", b"b", deltas=[0, 4]), count=2, span=6), 43, 2),  # begins within a batch
        (batch_of(b"", count=0, span=3), 40, 3),  # of a batch only its place was left
        (batch_of(raw(b"a")) + batch_of(raw(b"b"), base=43), 40, 2),
        (batch_of(raw(b"a")) + marker(43, commit=True, producer=7), 40, 2),
        (batch_of(raw(b"a")) + marker(41, commit=True, producer=7) + batch_of(raw(b"b"), base=42), 40, 0),
    ],
)
def test_offsets_without_a_record_are_counted_where_no_transaction_explains_them(
    content: bytes, offset: int, missing: int
) -> None:
    holes: dict[Any, tuple[int, int]] = {}
    read(PartitionRecords, content, offset=offset, at_once=1, holes=holes)
    assert holes.get(PARTITION, (0, 0))[0] == missing


# --- the consumer


def test_a_consumer_that_cannot_leave_its_group_leaves_no_thread_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any, autocommit: bool, timeout_ms: int | None) -> None:
        raise kafka_errors.KafkaTimeoutError("the coordinator is away")

    monkeypatch.setattr(kafka.KafkaConsumer, "close", fails)
    ended: list[str] = []
    consumer = KafkaConsumer.__new__(KafkaConsumer)
    consumer._client = SimpleNamespace(close=lambda: ended.append("client"))
    with pytest.raises(kafka_errors.KafkaTimeoutError):
        consumer.close(autocommit=False, timeout_ms=10)
    assert ended == ["client"]


def test_holes_are_told_once() -> None:
    consumer = KafkaConsumer.__new__(KafkaConsumer)
    consumer._holes = {PARTITION: (3, 50)}
    assert consumer.take_holes() == {PARTITION: (3, 50)}
    assert consumer.take_holes() == {}
