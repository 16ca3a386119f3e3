"""Dead letters replayed into the index by the indexer's own path.

Nothing is taken off the dead-letter topic: Kafka removes no single record, and a letter that was replayed does no
harm there, since a second replay stores nothing twice. What is still poison stays where it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kafka import TopicPartition

from cryptoproxy.common.record import Period
from cryptoproxy.consumer.batch import read
from cryptoproxy.consumer.dead_letter_reader import Letter, Original
from cryptoproxy.consumer.delivery import Delivery

_BATCH = 500


@dataclass(slots=True)
class Replayed:
    """What came of a replay."""

    indexed: int = 0
    duplicates: int = 0
    still_poison: list[tuple[Letter, str]] = field(default_factory=list)
    """With what is wrong with each today."""
    abandoned: bool = False
    """It was broken off: some letters were not tried to their end."""


def replay(
    letters: Iterable[Letter],
    *,
    delivery: Delivery,
    alias: str,
    period: Period,
    now_ms: int,
    abandon: threading.Event | None = None,
) -> Replayed:
    """Decodes and indexes them as if they had just been consumed. Waits for Elasticsearch as the indexer does."""
    result = Replayed()
    abandon = abandon or threading.Event()
    for chunk in _chunks(_with_content(letters, result)):
        # Letters of many partitions and times: each is a batch line of its own, their offsets mean nothing here.
        by_record = {id(letter.original): letter for letter in chunk}
        batch = read(
            {TopicPartition(*place): records for place, records in _by_partition(chunk).items()},
            alias=alias,
            period=period,
            now_ms=now_ms,
        )
        delivered = delivery.deliver(batch, abandon)
        result.indexed += delivered.indexed
        result.duplicates += delivered.duplicates
        result.still_poison += [(by_record[id(dead.record)], dead.error) for dead in (*batch.dead, *delivered.dead)]
        if delivered.abandoned:
            result.abandoned = True
            break
    return result


def _with_content(letters: Iterable[Letter], result: Replayed) -> Iterator[Letter]:
    for letter in letters:
        if letter.left_out is None:
            yield letter
        else:
            result.still_poison.append((letter, f"the letter is without its content: {letter.error}"))


def _by_partition(letters: Iterable[Letter]) -> dict[tuple[str, int], list[Original]]:
    found: dict[tuple[str, int], list[Original]] = {}
    for letter in letters:
        found.setdefault((letter.original.topic, letter.original.partition), []).append(letter.original)
    return found


def _chunks(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    chunk: list[Letter] = []
    for letter in letters:
        chunk.append(letter)
        if len(chunk) == _BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
