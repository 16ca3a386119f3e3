"""Which partition a key goes to: the same as every Kafka client chooses, without hashing it anew each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kafka.partitioner.default import DefaultPartitioner, murmur2


class KeyPartitioner(DefaultPartitioner):  # type: ignore[misc]
    """kafka-python hashes in Python, and the same assets come with every poll: a hash is remembered."""

    def partition(  # noqa: PLR0917 - the client calls it so
        self, topic: str, key: Any, serialized_key: bytes | None, value: Any, serialized_value: Any, cluster: Any
    ) -> int:
        partitions = cluster.partitions_for_topic(topic)
        if serialized_key is None or not partitions:
            chosen: int = super().partition(topic, key, serialized_key, value, serialized_value, cluster)
            return chosen
        choice: list[int] = sorted(partitions)
        return choice[_hash(serialized_key) % len(partitions)]


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    hashed: int = murmur2(key) & 0x7FFFFFFF  # as the Java client makes it positive
    return hashed
