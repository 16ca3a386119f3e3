"""Unpacked here or by the client: the same records, to the last field, and the same place to go on."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import Fetcher
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from cryptoproxy.consumer.unpacking import PartitionRecords

PARTITION = TopicPartition("crypto-data", 2)
NONE, GZIP, LZ4 = 0, 1, 3

texts = st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=20), st.none() | texts), max_size=3)
records = st.tuples(st.none() | texts, st.none() | texts, headers, st.integers(0, 2**41))
batches = st.lists(
    st.tuples(st.lists(records, min_size=1, max_size=20), st.sampled_from([NONE, GZIP, LZ4])), max_size=4
)


def fetched(made: list[tuple[list[Any], int]], *, base: int = 40) -> bytes:
    """What a broker answers: batches one after the other, their offsets without gaps."""
    content = b""
    for each, compression in made:
        builder = MemoryRecordsBuilder(magic=2, compression_type=compression, batch_size=1 << 20, offset=base)
        for key, value, found, timestamp in each:
            assert builder.append(timestamp=timestamp, key=key, value=value, headers=found) is not None
        builder.close()
        content += bytes(builder.buffer())
        base += len(each)
    return content


def read(kind: Any, content: bytes, *, offset: int = 40, at_once: int = 7) -> tuple[list[Any], int]:
    reader = kind(offset, PARTITION, MemoryRecords(content))
    taken: list[Any] = []
    while reader:
        taken += reader.take(at_once)
    return taken, reader.next_fetch_offset


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
