"""The fuse of the dead-letter topic, and a person's word that poison up to an offset may pass it.

One bad record is set aside, a flood of them is somebody's mistake: without a fuse a producer with a new bug would move
the whole topic to the dead letters overnight.

`cryptoproxy consume --accept-poison candle-1m:PARTITION:OFFSET` (of tickers without the name) writes the word to the
compacted state topic, under a key per partition; whichever indexer holds that partition looks there while its fuse is
blown. It names the topic's id: in a topic of the same name that was made anew, the offsets are of other records, which
nobody has looked at.
"""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import discard
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.letters.state_topic import SECONDS, StateTopic
from cryptoproxy.consumer.positions import topic_id_of
from cryptoproxy.datasets import TICKER, Dataset, called, iso
from cryptoproxy.datasets.codec import ODD_NOTE
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

IN_A_ROW = 100
OF_THE_LAST = 110
_KEY = "accept-poison"


class Fuse:
    """Blows at 100 poisonous records in a row, or 100 of the last 110. Judged a batch at a time, before any is sent."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=OF_THE_LAST)
        self._with_batch = self._last

    def judge(self, poisonous: Iterable[bool]) -> bool:
        """True if it blows within this batch. Nothing is remembered yet, so that it can be judged again."""
        self._with_batch = last = deque(self._last, maxlen=OF_THE_LAST)
        bad = sum(last)
        for verdict in poisonous:
            if len(last) == OF_THE_LAST:
                bad -= last[0]
            last.append(verdict)
            bad += verdict
            if bad >= IN_A_ROW:
                return True
        return False

    def judge_good(self, count: int) -> None:
        """The same for a batch without poison, which cannot blow it."""
        self._with_batch = deque(self._last, maxlen=OF_THE_LAST)
        self._with_batch.extend([False] * min(count, OF_THE_LAST))

    def remember(self) -> None:
        """The batch that was judged last is finished."""
        self._last = self._with_batch


class PoisonBound(NamedTuple):
    """Up to where poison may go: of which topic's partition, and to which offset."""

    dataset: Dataset[Any]
    part: str
    partition: int
    offset: int


def parse_place(text: str) -> PoisonBound:
    """``"candle-1m:0:1234"`` → its topic, partition and offset; ``"0:1234"`` of tickers.

    Raises:
        ValueError: it is spelled otherwise.
    """
    found = re.fullmatch(r"(?:([^:]+):)?(\d+):(\d+)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is neither DATASET:PARTITION:OFFSET, like candle-1m:0:1234, nor 0:1234 of tickers")
    dataset, part = called(found[1]) if found[1] else (TICKER, "")
    return PoisonBound(dataset, part, int(found[2]), int(found[3]))


def accept(kafka: Kafka, places: Iterable[PoisonBound], *, now_ms: int) -> list[str]:
    """Writes the word for each place; a line about each. A later word for a partition replaces it.

    Raises:
        CryptoProxyError: no such partition, or Kafka did not take it.
    """
    words = []
    producer: Any = None
    try:
        producer = kafka_client.producer(kafka, client_id="cryptoproxy-accept")
        for dataset, part, partition, offset in places:
            topic = kafka.topic_of(dataset, part)
            if partition not in (producer.partitions_for(topic) or ()):
                raise OperatorError(
                    f"topic {topic} has no partition {partition}", remedy="Take the numbers from /readyz"
                )
            topic_id = topic_id_of(producer._metadata, topic)
            value = json.dumps({"offset": offset, "topic_id": topic_id, "time": iso(now_ms)}).encode()
            key = f"{_KEY}:{topic}:{partition}".encode()
            producer.send(kafka.state_topic, key=key, value=value).get(timeout=SECONDS)
            words.append(f"poison of {topic} partition {partition} up to offset {offset} may be dead-lettered")
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    finally:
        if producer is not None:
            discard(producer, seconds=SECONDS)
    return words


class Acceptances:
    """What persons have accepted of one topic. Thread-safe."""

    def __init__(self, state: StateTopic, topic: str) -> None:
        self._state = state
        self._topic = topic

    def read(self, topic_id: str) -> Mapping[int, int]:
        """By partition of the topic with this id: the offset up to which poison is accepted.

        Raises:
            CryptoProxyError: the state topic cannot be read now.
        """
        accepted: dict[int, int] = {}
        for key, value in self._state.read().items():
            kind, _, place = key.partition(":")
            topic, _, partition = place.rpartition(":")
            if kind != _KEY or topic != self._topic:
                continue  # others keep their state here, too
            try:
                said = json.loads(value)
                if str(said["topic_id"]) == topic_id:
                    accepted[int(partition)] = int(said["offset"])
            except ODD_NOTE:
                log.warning("unreadable acceptance %r of %s", value, key)
        return accepted

    def close(self) -> None:
        """The next look begins anew."""
        self._state.close()
