"""The topics into memory: each door reads them by itself, without a group, from far enough back to be whole.

It is ready when it has read what was there at its start. After that it stays ready, also while Kafka is away: what it
has it answers, with its age, until that is too old.

What is far ahead of this machine's clock is passed over, as the indexer does not take it either: one such record would
make all that come after it old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.asking.words import EVERY_MS, FETCHED_AT, Question
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.service.health import tell_slow_clock
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import MAX_AHEAD_MS, TICKER, iso
from cryptoproxy.errors import CryptoProxyError, OperatorError, PoisonError
from cryptoproxy.serve.road.newest import Newest

log = logging.getLogger(__name__)

POLL_MS = 200
AT_ONCE = 2_000
"""Records of one portion: each is a turn of the loop, and as many hand-overs between threads as a portion of ten."""
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 60.0
"""Between two looks for new partitions."""
_STAMP = b'"timestamp":"'

Take = Callable[[Iterable[Any]], int]
"""Takes a portion of records of one partition; how many of them are none."""
Begun = Callable[[str, int, int], None]
Lose = Callable[[str, int, int, int], None]
"""Told of offsets that a topic had lost before they were read: topic, partition, the first of them, the next after."""


class Follower:
    """Follows topics; of several those that are there, with others when they come.

    Args:
        what: in words, for people.
        since_ms: how far back it begins; None: at the beginning, as of a compacted topic.
        most: so many records of a partition it reads back at most.
        needed: whether the process is not ready while there is no topic.
        lose: told of records that were gone before they could be read.
        begun: told of each partition where it ends when it begins to be read.
        connect: makes a consumer without a group.
    """

    def __init__(
        self,
        kafka: Kafka,
        topics: Sequence[str],
        take: Take,
        *,
        what: str,
        since_ms: int | None,
        most: int | None = None,
        health: Health,
        metrics: ServeMetrics,
        clock: Clock,
        needed: bool = True,
        lose: Lose = lambda *_: None,
        begun: Begun = lambda *_: None,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self._kafka, self._topics, self._take_all, self.what = kafka, topics, take, what
        self._since_ms, self._most, self._needed = since_ms, most, needed
        self._health, self._clock = health, clock
        self._metrics, self._lose, self._begun = metrics, lose, begun
        self._behind = metrics.behind.labels(topics[0] if len(topics) == 1 else what)
        self._connect = connect or (lambda: kafka_client.consumer(kafka, group_id=None, max_poll_records=AT_ONCE))
        self._told = Limited(log)
        self._whole = False
        self._read: dict[TopicPartition, int] = {}
        """The next offset of each partition that was read: after a break it goes on there, and tells nothing twice."""
        health.hold(what, f"{self._name} is not read yet", expected=True)

    @property
    def _name(self) -> str:
        return f"topic {self._topics[0]}" if len(self._topics) == 1 else f"any topic of {self.what}"

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
        if isinstance(error, OperatorError) and not self._needed and not self._whole:
            self._health.release(self.what)
        elif not self._whole:
            self._health.hold(self.what, str(error))
            return
        self._told.warning("away", f"the {self.what} stay as they are: {error}")

    def _follow(self, consumer: Any, loop: Loop) -> None:
        """Until a stop, an error, or another number of partitions."""
        partitions = self._partitions(consumer)
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        self._begin(consumer, partitions, ends)
        looked = self._clock.monotonic()
        while loop.running:
            for partition, records in consumer.poll(timeout_ms=POLL_MS).items():
                if (before := self._read.get(partition)) is not None and records[0].offset > before:
                    self._jumped(consumer, partition, before, records[0].offset)
                self._read[partition] = records[-1].offset + 1
                self._metrics.followed.labels(partition.topic).inc(len(records))
                if strange := self._take_all(self._without_the_future(records)):
                    self._metrics.strange.labels(partition.topic).inc(strange)
            if not self._whole:
                behind = sum(max(0, end - (consumer.position(each) or 0)) for each, end in ends.items())
                self._behind.set(behind)
                if not behind:
                    self._whole = True
                    self._health.release(self.what)
            if self._clock.monotonic() - looked > LOOK_SECONDS:
                looked = self._clock.monotonic()
                if self._partitions(consumer) != partitions:
                    return

    def _without_the_future(self, records: list[Any]) -> list[Any]:
        now_ms = self._clock.now_ms()
        latest = now_ms + MAX_AHEAD_MS
        stamp = iso(latest).encode()
        found = [each for each in records if not _is_ahead(each, latest, stamp)]
        tell_slow_clock(self._health.of(self.what), len(records) - len(found), len(records), now_ms)
        return found

    def _jumped(self, consumer: Any, partition: TopicPartition, since: int, until: int) -> None:
        """Offsets without a record: the ends of transactions, what was compacted away; or what the topic has forgotten
        meanwhile, which alone is lost."""
        begin = consumer.beginning_offsets([partition])[partition]
        if begin > since:
            self._lose(partition.topic, partition.partition, since, min(begin, until))  # it may have gone on forgetting

    def _begin(self, consumer: Any, partitions: list[TopicPartition], ends: dict[TopicPartition, int]) -> None:
        first = consumer.beginning_offsets(partitions)
        since = None
        if self._since_ms is not None:
            since = consumer.offsets_for_times(dict.fromkeys(partitions, self._clock.now_ms() - self._since_ms))
        for each in partitions:
            if each in self._read and self._read[each] <= ends[each]:  # else the topic was made anew
                offset = max(self._read[each], first[each])
            elif since is None:
                offset = first[each]
            else:
                offset = ends[each] if (found := since.get(each)) is None else found.offset
                offset = offset if self._most is None else max(offset, ends[each] - self._most)
            consumer.seek(each, offset)
            self._begun(each.topic, each.partition, ends[each])

    def _partitions(self, consumer: Any) -> list[TopicPartition]:
        known = consumer.topics() if len(self._topics) > 1 else self._topics  # asks for no topic that is not there
        found = [
            TopicPartition(topic, number)
            for topic in self._topics
            if topic in known
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        if not found:
            raise OperatorError(f"{self._name} is missing", remedy="Run `cryptoproxy setup`")
        return found


def _is_ahead(record: Any, latest_ms: int, latest: bytes) -> bool:
    """Of a record by its own time, of an answer by when it was fetched."""
    if record.value is None:
        return False
    if (at := record.value.find(_STAMP)) >= 0:
        at += len(_STAMP)
        return bool(record.value[at : at + 24] > latest)
    fetched = next((value for name, value in record.headers if name == FETCHED_AT), b"")
    return bool(fetched.isdigit() and int(fetched[:20]) > latest_ms)


def both(first: Take, second: Take) -> Take:
    """One after the other; what is strange is counted by the first."""

    def take(records: Iterable[Any]) -> int:
        strange = first(records)
        second(records)
        return strange

    return take


def tickers_into(newest: Newest) -> Take:
    """Of one portion only the newest of each key is decoded: at the start there are many of each."""

    def take(records: Iterable[Any]) -> int:
        best: dict[bytes, tuple[bytes, bytes]] = {}
        for record in records:
            key, value = record.key, record.value
            if key is None or value is None:
                continue
            at = value.find(_STAMP) + len(_STAMP)
            stamp = value[at : at + 24]
            if key not in best or best[key][0] <= stamp:
                best[key] = stamp, value
        strange = 0
        for _, value in best.values():
            try:
                newest.take(TICKER.codec.decode(value))
            except PoisonError:
                strange += 1
        return strange

    return take


def answers_into(newest: Newest) -> Take:
    """The key says which call it answers: ``binance/api/v3/ticker/24hr?symbol=BTCUSDT``."""

    def take(records: Iterable[Any]) -> int:
        strange = 0
        for record in records:
            try:
                question = Question.from_key(record.key.decode())
                headers = dict(record.headers)
                asked_ms, every_ms = int(headers[FETCHED_AT]), int(headers.get(EVERY_MS, 0))
                body = bytes(record.value)
                msgspec.json.decode(body, type=msgspec.Raw)  # the one before it is worth more than half a one
            except (
                AttributeError,
                TypeError,
                ValueError,
                KeyError,
                RecursionError,
            ):  # somebody else wrote it, or it is no JSON
                strange += 1
                continue
            newest.take_answer(
                question.upstream, question.path, dict(question.params), body, asked_ms, every_ms=every_ms or None
            )
        return strange

    return take
