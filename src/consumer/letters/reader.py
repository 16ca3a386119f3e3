"""Dead letters read back, to be listed, shown one by one, or replayed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import Destination, read
from cryptoproxy.consumer.index.delivery import Delivery
from cryptoproxy.datasets import DATASETS, NOWHERE, TICKER, Dataset, opened
from cryptoproxy.datasets.letters import UNKNOWN_SIZE
from cryptoproxy.errors import OperatorError

_SECONDS = 15.0
"""From one answer of the brokers to the next."""
_BATCH = 500


class Original(NamedTuple):
    """The record as it was consumed, with the fields of kafka-python's ConsumerRecord that decoding looks at.
    ``partition`` and ``offset`` are -1 for one that the poller set aside: it never got onto the topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


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
    dataset: Dataset[Any] = TICKER
    """By the topic of the original; of a topic that is none of ours, too, tickers are tried."""
    part: str = ""
    left_out: int | None = None
    """The bytes of the original where the letter is without them, as they could not be written; -1 where nobody knows
    how many."""

    @property
    def place(self) -> str:
        """What it is called by: where its record stood, ``candle-1m:0:17`` or of a ticker ``0:17``, or itself stands,
        ``letter:0:5``."""
        original = self.original
        if original.offset == NOWHERE:
            return self.own_place
        name = "" if self.dataset is TICKER else f"{self.dataset.called(self.part)}:"
        return f"{name}{original.partition}:{original.offset}"

    @property
    def own_place(self) -> str:
        return f"letter:{self.partition}:{self.offset}"


def read_letters(kafka: Kafka) -> Iterator[Letter]:
    """Every letter on the dead-letter topic at this moment, the oldest first.

    Raises:
        CryptoProxyError: the topic cannot be read.
    """
    homes = {
        topic: (dataset, part.name) for dataset in DATASETS.values() for topic, part in kafka.topics_of(dataset).items()
    }
    try:
        consumer = kafka_client.consumer(kafka, group_id=None, max_poll_records=_BATCH)
        try:
            records = kafka_client.read_to_end(consumer, kafka.dead_letter_topic, seconds=_SECONDS, renewed=True)
            yield from (letter_of(record, homes) for record in records)
        finally:
            consumer.close(timeout_ms=1000)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def letter_of(record: Any, homes: Mapping[str, tuple[Dataset[Any], str]] = {}) -> Letter:
    """A letter from its record. One that somebody else put there has no headers of ours: it is its own original.

    Args:
        homes: by topic, dataset and part.
    """
    ours, key, value, headers, left_out = opened(record)
    reason, error = ours.get("dlq-reason", "unknown"), ours.get("dlq-error", "")
    if isinstance(record, UnreadRecord):
        reason, error, left_out = record.reason, record.why, UNKNOWN_SIZE
    topic = ours.get("dlq-topic", record.topic)
    dataset, part = homes.get(topic, (TICKER, ""))
    return Letter(
        original=Original(
            topic=topic,
            partition=_number(ours.get("dlq-partition"), record.partition),
            offset=_number(ours.get("dlq-offset"), record.offset),
            key=key,
            value=value,
            headers=headers,
        ),
        reason=reason,
        error=error,
        time=ours.get("dlq-time", ""),
        partition=record.partition,
        offset=record.offset,
        dataset=dataset,
        part=part,
        left_out=left_out,
    )


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"-1|\d{1,19}", text, re.ASCII) else otherwise


def parse_place(text: str) -> str:
    """``0:1234`` or ``candle-1m:0:1234`` (a record's) or ``letter:0:5`` (a letter's own), as :attr:`Letter.place`
    spells it.

    Raises:
        ValueError: it is spelled otherwise.
    """
    known = {dataset.called(part) for dataset in DATASETS.values() for part in dataset.parts}
    found = re.fullmatch(r"(?:([a-z0-9_-]+):)?(\d+):(\d+)", text.strip(), re.ASCII)
    if found is None or found[1] not in (None, "letter", *known):
        raise ValueError(
            f"{text!r} is neither a record's PARTITION:OFFSET, like 0:1234 or candle-1m:0:1234, nor a letter's, like "
            "letter:0:5"
        )
    name = f"{found[1]}:" if found[1] and found[1] != TICKER.name else ""
    return f"{name}{int(found[2])}:{int(found[3])}"


def find(letters: Iterable[Letter], place: str) -> Letter:
    """The newest letter of this place: about the record that stood there, or the letter that stands there itself.

    Raises:
        OperatorError: there is none.
    """
    found = None
    for letter in letters:
        if place in (letter.place, letter.own_place):
            found = letter
    if found is None:
        raise OperatorError(
            f"no dead letter is about {place}",
            remedy="`cryptoproxy dead-letters list` names those that are there",
        )
    return found


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
    delivery: Callable[[Dataset[Any]], Delivery],
    place: Callable[[Dataset[Any], str], Destination],
    now_ms: int,
    abandon: threading.Event | None = None,
) -> Replayed:
    """Decodes and indexes them as if they had just been consumed. Waits for Elasticsearch as the indexer does.

    Nothing is taken off the dead-letter topic: Kafka removes no single record, and a letter that was replayed does no
    harm there, since a second replay stores nothing twice. What is still poison stays where it is.

    Args:
        delivery: of a dataset; asked once for each.
    """
    result = Replayed()
    abandon = abandon or threading.Event()
    deliveries: dict[str, Delivery] = {}
    whole = _with_content(letters, result)
    while not result.abandoned and (chunk := list(islice(whole, _BATCH))):
        by_home: dict[str, list[Letter]] = {}
        for letter in chunk:
            by_home.setdefault(letter.dataset.called(letter.part), []).append(letter)
        for some in by_home.values():
            dataset, by_record = some[0].dataset, {id(letter.original): letter for letter in some}
            if dataset.name not in deliveries:
                deliveries[dataset.name] = delivery(dataset)
            originals = [each.original for each in some]
            batch = read({"letters": originals}, place(dataset, some[0].part), now_ms=now_ms)
            delivered = deliveries[dataset.name].deliver(batch, abandon)
            result.indexed += delivered.indexed
            result.duplicates += delivered.duplicates
            dead_again = (*batch.dead, *delivered.dead)
            result.still_poison += [(by_record[id(dead.record)], dead.error) for dead in dead_again]
            result.abandoned = result.abandoned or delivered.abandoned
    return result


def _with_content(letters: Iterable[Letter], result: Replayed) -> Iterator[Letter]:
    for letter in letters:
        if letter.dataset.alias is None:
            result.still_poison.append((letter, f"{letter.dataset.name} is not indexed"))
        elif letter.left_out is None:
            yield letter
        else:
            result.still_poison.append((letter, f"the letter is without its content: {letter.error}"))
