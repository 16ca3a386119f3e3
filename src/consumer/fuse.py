"""The fuse of the dead-letter topic, and a person's word that poison up to an offset may pass it.

One bad record is set aside, a flood of them is somebody's mistake: without a fuse a producer with a new bug would move
the whole topic to the dead letters overnight.

`cryptoproxy consume --accept-poison PARTITION:OFFSET` writes the word to the compacted state topic, under a key per
partition; whichever indexer holds that partition looks there while its fuse is blown. It names the topic's id: in a
topic of the same name that was made anew, the offsets are of other records, which nobody has looked at.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.sender import discard
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.positions import topic_id_of
from cryptoproxy.datasets import iso
from cryptoproxy.errors import CryptoProxyError, OperatorError

log = logging.getLogger(__name__)

IN_A_ROW = 100
OF_THE_LAST = 110
_KEY = "accept-poison"
_SECONDS = 10.0


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


def parse_place(text: str) -> tuple[int, int]:
    """``"0:1234"`` → partition and offset.

    Raises:
        ValueError: it is spelled otherwise.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not PARTITION:OFFSET, like 0:1234")
    return int(found[1]), int(found[2])


def accept(kafka: Kafka, places: Iterable[tuple[int, int]], *, now_ms: int) -> list[str]:
    """Writes the word for each (partition, offset); a line about each. A later word for a partition replaces it.

    Raises:
        CryptoProxyError: no such partition, or Kafka did not take it.
    """
    words = []
    producer: Any = None
    try:
        producer = kafka_client.producer(kafka, client_id="cryptoproxy-accept")
        there = producer.partitions_for(kafka.topic) or set()
        for partition, offset in places:
            if partition not in there:
                raise OperatorError(
                    f"topic {kafka.topic} has no partition {partition}", remedy="Take the numbers from /readyz"
                )
            topic_id = topic_id_of(producer._metadata, kafka.topic)
            value = json.dumps({"offset": offset, "topic_id": topic_id, "time": iso(now_ms)}).encode()
            key = f"{_KEY}:{kafka.topic}:{partition}".encode()
            producer.send(kafka.state_topic, key=key, value=value).get(timeout=_SECONDS)
            words.append(f"poison of {kafka.topic} partition {partition} up to offset {offset} may be dead-lettered")
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    finally:
        if producer is not None:
            discard(producer, seconds=_SECONDS)
    return words


class Acceptances:
    """What persons have accepted. Thread-safe; keeps its place in the topic between two looks."""

    def __init__(self, kafka: Kafka, connect: Callable[[], Any]) -> None:
        self._kafka = kafka
        self._connect = connect
        self._consumer: Any = None
        self._accepted: dict[int, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def read(self, topic_id: str) -> Mapping[int, int]:
        """By partition of the topic with this id: the offset up to which poison is accepted.

        Raises:
            CryptoProxyError: the topic cannot be read now.
        """
        with self._lock:
            try:
                if self._consumer is None:
                    self._accepted.clear()
                    self._consumer = self._connect()
                for record in kafka_client.read_to_end(self._consumer, self._kafka.state_topic, seconds=_SECONDS):
                    self._take(record)
            except CryptoProxyError:
                self._close()
                raise
            except kafka_errors.KafkaError as error:
                self._close()
                raise kafka_client.meaning(error, self._kafka) from error
            return {each: offset for each, (of, offset) in self._accepted.items() if of == topic_id}

    def close(self) -> None:
        """The next look begins anew."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(timeout_ms=1000)

    def _take(self, record: Any) -> None:
        kind, _, place = (record.key or b"").decode(errors="replace").partition(":")
        topic, _, partition = place.rpartition(":")
        if kind != _KEY or topic != self._kafka.topic:
            return  # others keep their state here, too
        try:
            if record.value is None:
                self._accepted.pop(int(partition), None)
            else:
                said = json.loads(record.value)
                self._accepted[int(partition)] = str(said["topic_id"]), int(said["offset"])
        except (ValueError, KeyError, TypeError):
            log.warning("unreadable acceptance %r at %s:%d", record.value, record.topic, record.offset)
