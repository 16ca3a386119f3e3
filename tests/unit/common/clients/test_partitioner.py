"""A key goes where every other client sends it, whatever partitions there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner

from cryptoproxy.common.clients.kafka_python.partitioner import KeyPartitioner


class Cluster:
    def __init__(self, partitions: set[int]) -> None:
        self._partitions = partitions

    def topics(self) -> set[str]:
        return {"crypto-data"} if self._partitions else set()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self._partitions or None

    def available_partitions_for_topic(self, topic: str) -> set[int]:
        return self._partitions


@given(st.binary(max_size=80), st.sets(st.integers(0, 50), min_size=1))
def test_the_partition_is_the_clients_own(key: bytes, partitions: set[int]) -> None:
    cluster = Cluster(partitions)
    arguments = ("crypto-data", key, key, b"", b"", cluster)
    expected = DefaultPartitioner().partition(*arguments)
    assert [KeyPartitioner().partition(*arguments) for _ in range(2)] == [expected, expected]


def test_a_record_without_a_key_goes_to_any() -> None:
    assert KeyPartitioner().partition("crypto-data", None, None, b"", b"", Cluster({3})) == 3


def test_an_unknown_topic_is_said_as_the_client_says_it() -> None:
    with pytest.raises(ValueError, match="not found"):
        KeyPartitioner().partition("crypto-data", b"a", b"a", b"", b"", Cluster(set()))
