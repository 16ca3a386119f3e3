"""Dead letters read back, to be listed, shown one by one, or replayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka import errors as kafka_errors

from common.clients import kafka as kafka_client
from common.errors import OperatorError, TransientError
from common.settings.catalogue import Kafka
from consumer.dead_letters import HEADERS

_SILENCE_SECONDS = 15.0
_BATCH = 500


class Original(NamedTuple):
    """The record as it was consumed, with the fields of kafka-python's ConsumerRecord that decoding looks at."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: the original record, why it is dead, and where the letter itself stands."""

    original: Original
    reason: str
    error: str
    time: str
    """When it was set aside, as ISO time."""
    partition: int
    offset: int


def read_letters(kafka: Kafka, *, connect: Callable[[], Any] | None = None) -> Iterator[Letter]:
    """Every letter on the dead-letter topic at this moment, the oldest first.

    Raises:
        CryptoProxyError: the topic cannot be read.
    """
    try:
        consumer = connect() if connect else kafka_client.consumer(kafka, group_id=None, max_poll_records=_BATCH)
        try:
            for record in _to_the_end(consumer, kafka.dead_letter_topic):
                yield letter_of(record)
        finally:
            consumer.close(timeout_ms=1000)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def letter_of(record: Any) -> Letter:
    """A letter from its record. One that somebody else put there has no headers of ours: it is its own original."""
    headers = list(record.headers)
    ours: dict[str, str] = {}
    if tuple(name for name, _ in headers[: len(HEADERS)]) == HEADERS:
        ours = {name: (value or b"").decode(errors="replace") for name, value in headers[: len(HEADERS)]}
        headers = headers[len(HEADERS) :]
    partition, offset = ours.get("dlq-partition", ""), ours.get("dlq-offset", "")
    return Letter(
        original=Original(
            topic=ours.get("dlq-topic", record.topic),
            partition=int(partition) if partition.isdecimal() else record.partition,
            offset=int(offset) if offset.isdecimal() else record.offset,
            key=record.key,
            value=record.value,
            headers=headers,
        ),
        reason=ours.get("dlq-reason", "unknown"),
        error=ours.get("dlq-error", ""),
        time=ours.get("dlq-time", ""),
        partition=record.partition,
        offset=record.offset,
    )


def find(letters: Iterable[Letter], place: tuple[int, int]) -> Letter:
    """The newest letter about the record that stood at ``place`` (partition, offset) of the topic.

    Raises:
        OperatorError: there is none.
    """
    found = None
    for letter in letters:
        if (letter.original.partition, letter.original.offset) == place:
            found = letter
    if found is None:
        raise OperatorError(
            f"no dead letter is about record {place[0]}:{place[1]}",
            remedy="`cryptoproxy dead-letters list` names those that are there",
        )
    return found


def _to_the_end(consumer: Any, topic: str) -> Iterator[Any]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise OperatorError(f"topic {topic} is missing", remedy="Run `cryptoproxy setup`")
    partitions = [TopicPartition(topic, each) for each in sorted(numbers)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions, timeout_ms=10_000)
    heard = time.monotonic()
    while any((consumer.position(each, timeout_ms=1000) or 0) < end for each, end in ends.items()):
        for partition, records in consumer.poll(timeout_ms=500).items():
            heard = time.monotonic()
            yield from (each for each in records if each.offset < ends[partition])
        if time.monotonic() - heard > _SILENCE_SECONDS:
            raise TransientError(f"topic {topic} gives no more records, though it is not read to its end")
