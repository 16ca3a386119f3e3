"""The topics into memory: each door reads them by itself, without a group, from far enough back to be whole.

It is ready when it has read what was there at its start. After that it stays ready, also while Kafka is away: what it
has it answers, with its age, until that is too old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.asking import FETCHED_AT, Question
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import TICKER
from cryptoproxy.errors import CryptoProxyError, OperatorError, PoisonError
from cryptoproxy.serve.newest import Newest

log = logging.getLogger(__name__)

POLL_MS = 200
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 60.0
"""Between two looks for new partitions."""
_STAMP = b'"timestamp":"'


class Follower:
    """Follows the tickers.

    Args:
        topic: theirs.
        lookback_ms: so far back it begins.
        connect: makes a consumer without a group.
    """

    part = "tickers"

    def __init__(
        self,
        kafka: Kafka,
        newest: Newest,
        *,
        health: Health,
        metrics: ServeMetrics,
        clock: Clock,
        lookback_ms: int,
        connect: Callable[[], Any] | None = None,
        topic: str | None = None,
    ) -> None:
        self._kafka, self._newest, self._health, self._metrics, self._clock = kafka, newest, health, metrics, clock
        self._topic = topic or kafka.topic
        self._lookback_ms = lookback_ms
        self._connect = connect or (lambda: kafka_client.consumer(kafka, group_id=None))
        self._told = Limited(log)
        self._whole = False
        health.hold(self.part, f"topic {self._topic} is not read yet", expected=True)

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            try:
                consumer = self._connect()
                try:
                    self._follow(consumer, loop)
                finally:
                    consumer.close(autocommit=False, timeout_ms=1000)
            except kafka_errors.KafkaError as error:
                self._hold(kafka_client.meaning(error, self._kafka))
            except CryptoProxyError as error:
                self._hold(error)
            loop.wait(AGAIN_SECONDS)

    def _hold(self, error: CryptoProxyError) -> None:
        if self._whole:
            self._told.warning("away", f"the {self.part} stay as they are: {error}")
        else:
            self._health.hold(self.part, str(error))

    def _follow(self, consumer: Any, loop: Loop) -> None:
        """Until a stop, an error, or another number of partitions."""
        partitions = self._partitions(consumer)
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        self._seek(consumer, ends)
        looked = self._clock.monotonic()
        while loop.running:
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                self._take(records)
            if not self._whole:
                behind = sum(max(0, end - (consumer.position(each) or 0)) for each, end in ends.items())
                self._metrics.behind.set(behind)
                if not behind:
                    self._whole = True
                    self._health.release(self.part)
            if self._clock.monotonic() - looked > LOOK_SECONDS:
                looked = self._clock.monotonic()
                if self._partitions(consumer) != partitions:
                    return

    def _seek(self, consumer: Any, ends: Mapping[TopicPartition, int]) -> None:
        """To where it begins."""
        since = consumer.offsets_for_times(dict.fromkeys(ends, self._clock.now_ms() - self._lookback_ms))
        for each, end in ends.items():
            begin = since.get(each)
            consumer.seek(each, end if begin is None else begin.offset)

    def _partitions(self, consumer: Any) -> list[TopicPartition]:
        numbers = consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise OperatorError(f"topic {self._topic} is missing", remedy="Run `cryptoproxy setup`")
        return [TopicPartition(self._topic, each) for each in sorted(numbers)]

    def _take(self, records: Iterable[Any]) -> None:
        """Of one portion only the newest of each key is decoded: at the start there are many of each."""
        best: dict[bytes, tuple[bytes, bytes]] = {}
        count = 0
        for record in records:
            count += 1
            key, value = record.key, record.value
            if key is None or value is None:
                continue
            at = value.find(_STAMP) + len(_STAMP)
            stamp = value[at : at + 24]
            if key not in best or best[key][0] <= stamp:
                best[key] = stamp, value
        self._metrics.followed.labels(self._topic).inc(count)
        for _, value in best.values():
            try:
                self._newest.take(TICKER.codec.decode(value))
            except PoisonError:
                self._metrics.strange.labels(self._topic).inc()


class AnswersFollower(Follower):
    """Follows the newest answers to the polls' calls, all of a compacted topic."""

    part = "answers"

    def _seek(self, consumer: Any, ends: Mapping[TopicPartition, int]) -> None:
        consumer.seek_to_beginning(*ends)

    def _take(self, records: Iterable[Any]) -> None:
        newest = {record.key: record for record in records if record.key and record.value}
        self._metrics.followed.labels(self._topic).inc(len(newest))
        for key, record in newest.items():
            try:
                question = Question.from_key(key.decode())
                asked_ms = int(dict(record.headers)[FETCHED_AT])
            except (ValueError, KeyError):
                self._metrics.strange.labels(self._topic).inc()
                continue
            params = dict(question.params)
            self._newest.take_answer(question.upstream, question.path, params, record.value, asked_ms)
