"""Where reading begins, what was missed, and how far behind it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

_TIMEOUT_MS = 10_000
_LOOK_MS = 2_000


class Positions:
    """Positions of one consumer. The client never moves one by itself (``auto_offset_reset='none'``): it is done here,
    loudly, and never to the end of a topic that was read before."""

    def __init__(
        self,
        consumer: Any,
        kafka: Kafka,
        metrics: DatasetMetrics,
        recall: Callable[[str], None] = lambda _: None,
        *,
        dataset: Dataset[Any] = TICKER,
    ) -> None:
        """
        Args:
            recall: told of the note that a partition's last commit has, when it has come here.
        """
        self._topics = list(kafka.topics_of(dataset))
        self._compacted = dataset.compacted
        self._group = kafka.group_of(dataset)
        self._consumer = consumer
        self._recall = recall
        self._recalled: set[Any] = set()
        self._kafka = kafka
        self._metrics = metrics
        self._reached: dict[Any, int] = {}
        """By partition: up to where everything is finished; before the first end, where reading began."""
        self._handed_out: dict[Any, int] = {}
        """By partition: beyond the last record that reading gave."""
        self._ends: dict[Any, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._made_again: set[str] = set()

    # --- where to read

    def require_topics(self) -> None:
        """Raises:
        OperatorError: one of the topics or the dead-letter topic is missing.
        """
        for topic in (*self._topics, self._kafka.dead_letter_topic):
            if not self._consumer.partitions_for_topic(topic):
                raise OperatorError(
                    f"topic {topic} is missing at {','.join(self._kafka.brokers)}", remedy="Run `cryptoproxy setup`"
                )

    def begin(self, error: kafka_errors.NoOffsetForPartitionError) -> Mapping[Any, int]:
        """Nothing is committed for these partitions: begins where KAFKA_OFFSET_RESET says. Returns what to commit.

        "latest" is meant for the first start of a group, so all partitions begin there at once: one that is added
        later, or that another member gets, is then known by its commit and not begun at its end once more.

        Raises:
            kafka.errors.KafkaError: nothing was moved.
        """
        partitions = sorted(error.args[0])
        if self._kafka.offset_reset == "latest" and self._made_again.isdisjoint(each.topic for each in partitions):
            everywhere = self._all_partitions()
            committed = {each: self._consumer.committed(each, timeout_ms=_TIMEOUT_MS) for each in everywhere}
            if all(offset is None for offset in committed.values()):
                ends = self._consumer.end_offsets(everywhere, timeout_ms=_TIMEOUT_MS)
                begins = self._consumer.beginning_offsets(everywhere, timeout_ms=_TIMEOUT_MS)
                self._say_passed_over(sum(ends[each] - begins[each] for each in everywhere))
                self._go_to({each: ends[each] for each in partitions})
                self._say_begin(partitions, "latest")
                return dict(ends)
            there = {each: offset for each in partitions if (offset := committed.get(each)) is not None}
            self._go_to(there)
            partitions = [each for each in partitions if each not in there]
        self._go_to_earliest(partitions)
        if partitions:
            self._say_begin(partitions, "earliest")
        return {}

    def go_on_from_earliest(self, error: kafka_errors.OffsetOutOfRangeError) -> list[Any]:
        """Retention, or a new topic of that name, took the records at our position: go on from the earliest that is
        there, and count the gap. Returns the partitions whose log is another one than was read.

        Raises:
            kafka.errors.KafkaError: nothing was moved.
        """
        positions: dict[Any, int] = error.args[0]
        unread = {partition: self._unread(partition) for partition in positions}
        earliest = self._go_to_earliest(positions)
        shorter = [partition for partition, position in positions.items() if position > earliest[partition]]
        for partition, position in positions.items():
            if partition in shorter:
                self._metrics.gap.inc(unread[partition])
                self._say_shorter(partition, position, earliest[partition])
                continue
            gap = earliest[partition] - position
            self._metrics.gap.inc(gap)
            log.error(
                "%d records of %s partition %d are gone before they were read (position %d, earliest %d); "
                "`cryptoproxy reconcile` names them, `cryptoproxy replay` brings them back from the lake",
                gap, partition.topic, partition.partition, position, earliest[partition],
            )  # fmt: skip
        return shorter

    def go_on_after_truncation(self, error: kafka_errors.LogTruncationError) -> list[Any]:
        """The brokers have a shorter log than we had read: an unclean election, or a new topic of that name. From the
        earliest, since only that misses nothing in either case; what is known is not stored again. Returns them.

        Raises:
            kafka.errors.KafkaError: nothing was moved.
        """
        assigned = self._consumer.assignment()
        partitions = [each for each in error.divergent_offsets if each in assigned]
        reached = dict(self._reached)
        unread = sum(map(self._unread, partitions))
        for partition, earliest in self._go_to_earliest(partitions).items():
            self._say_shorter(partition, reached.get(partition), earliest)
        self._metrics.gap.inc(unread)
        return partitions

    def topic_id(self, topic: str) -> str:
        """See :func:`topic_id_of`; as of the client's last metadata."""
        return topic_id_of(self._consumer._cluster, topic)

    def topics_made_again(self) -> list[str]:
        """Those that are others of the same name since positions were last taken from them."""
        return [
            topic
            for topic in self._topics
            if (now := self.topic_id(topic)) and self._topic_ids.setdefault(topic, now) != now
        ]

    def go_on_with_the_new(self, topic: str) -> None:
        """All positions go to its beginning. Without this, as many records of the new topic as were read of the old
        one would be skipped. What the old one is known to have held unread is counted as a gap.

        Raises:
            kafka.errors.KafkaError: nothing was moved.
        """
        assigned = [each for each in self._consumer.assignment() if each.topic == topic]
        topic_id = self.topic_id(topic)
        unread = sum(map(self._unread, assigned))
        self._go_to_earliest(assigned)
        self._topic_ids[topic] = topic_id
        self._made_again.add(topic)
        self._metrics.gap.inc(unread)
        log.error(
            "topic %s was deleted and made again: it is read from its beginning; what the old one held unread (%d "
            "records that are known of) is gone, `cryptoproxy reconcile` names it and `cryptoproxy replay` brings it "
            "back from the lake",
            topic, unread,
        )  # fmt: skip

    # --- how far

    def read(self, consumed: Mapping[Any, Any]) -> None:
        """These records were just handed out."""
        for partition, records in consumed.items():
            if partition not in self._reached:
                self._reached[partition] = records[0].offset
            self._handed_out[partition] = records[-1].offset + 1
            self._ends[partition] = max(self._ends.get(partition, 0), self._consumer.highwater(partition) or 0)

    def finished(self, offsets: Mapping[Any, int]) -> None:
        """These offsets are finished, committed or about to be."""
        self._reached.update(offsets)

    def passed_over(self) -> dict[Any, int]:
        """By partition, where all that was handed out is finished: how far reading is beyond that, over marks of
        transactions and what they took back. Nothing has to be done for these, so they are no lag: to be committed."""
        found = {}
        for partition in self._consumer.assignment():
            position, reached = self._consumer.position_now(partition), self._reached.get(partition)
            if position is None or reached is None:
                continue
            if self._handed_out.get(partition, reached) <= reached < position:
                found[partition] = position
        return found

    def missing(self) -> str:
        """Counts and says what was not there among the records read since the last call; empty if nothing was. Of a
        compacted dataset nothing is: a newer record has come in its place."""
        said = ""
        for partition, (count, last) in self._consumer.take_holes().items():
            if self._compacted:
                continue
            self._metrics.gap.inc(count)
            topic = partition.topic
            said = (
                f"{count} records of {topic} partition {partition.partition} up to offset {last} are missing, and no "
                f"transaction explains it: {topic} is or was compacted. Set its cleanup.policy to delete; "
                "`cryptoproxy reconcile` names what is missing, `cryptoproxy replay` brings it back from the lake"
            )
            log.error(said)
        return said

    def keep_only(self, owned: Collection[Any]) -> None:
        """The others are somebody else's."""
        self._recalled &= set(owned)
        for known in (self._reached, self._handed_out, self._ends):
            for partition in [each for each in known if each not in owned]:
                del known[partition]

    def look(self) -> None:
        """Asks the brokers how far the partitions go: for the lag while nothing is fetched, and to know that they
        answer at all, which a `poll` that returns nothing does not tell.

        Raises:
            kafka.errors.KafkaError: they do not.
        """
        assigned = self._consumer.assignment()
        partitions = list(assigned) or [TopicPartition(self._topics[0], 0)]
        ends = self._consumer.end_offsets(partitions, timeout_ms=_LOOK_MS)
        # The end of a log does not go back; where it does, the topic is another one, and what the old one held unread
        # is not forgotten before that is noticed.
        self._ends = {each: max(end, self._ends.get(each, 0)) for each, end in ends.items()}
        for partition in assigned - (self._reached.keys() & self._recalled):
            committed = self._consumer.committed(partition, metadata=True, timeout_ms=_LOOK_MS)
            if committed is not None:
                self._reached.setdefault(partition, committed.offset)
                self._recall(committed.metadata or "")  # a null where another program has committed
            if partition in self._reached:
                self._recalled.add(partition)

    def lag(self) -> int:
        """Records of the assigned partitions that are not finished, as far as the last answers of the brokers tell."""
        lag = 0
        for partition in self._consumer.assignment():
            reached = self._reached.get(partition)
            if reached is not None:
                end = max(self._consumer.highwater(partition) or 0, self._ends.get(partition, 0))
                lag += max(0, end - reached)
        return lag

    def _unread(self, partition: Any) -> int:
        """How many records of it are known of that are not finished."""
        reached = self._reached.get(partition)
        return 0 if reached is None else max(0, self._ends.get(partition, 0) - reached)

    # --- moving

    def _all_partitions(self) -> list[Any]:
        return [
            TopicPartition(topic, each)
            for topic in self._topics
            for each in self._consumer.partitions_for_topic(topic) or ()
        ]

    def _go_to_earliest(self, partitions: Iterable[Any]) -> dict[Any, int]:
        partitions = list(partitions)
        if not partitions:
            return {}
        earliest: dict[Any, int] = self._consumer.beginning_offsets(partitions, timeout_ms=_TIMEOUT_MS)
        self._go_to(earliest)
        return earliest

    def _go_to(self, offsets: Mapping[Any, int]) -> None:
        for partition, offset in offsets.items():
            self._consumer.seek(partition, offset)
            self._reached[partition] = offset
            self._handed_out.pop(partition, None)
            self._ends.pop(partition, None)

    def _say_begin(self, partitions: list[Any], where: str) -> None:
        log.info(
            "nothing committed yet for %s; begins at the %s record",
            ", ".join(f"{each.topic} partition {each.partition}" for each in partitions), where,
        )  # fmt: skip

    def _say_passed_over(self, count: int) -> None:
        """Kafka forgets the commits of a group that was away for a week: then this is no first start."""
        self._metrics.passed_over.inc(count)
        if count:
            log.warning(
                "group %s has nothing committed and begins at the end, as KAFKA_OFFSET_RESET=latest says: %d records "
                "that are on %s are passed over. If it has read this topic before, its commits have expired: "
                "`cryptoproxy reconcile` names what is missing, `cryptoproxy replay` brings it back from the lake",
                self._group, count, _named(self._topics),
            )  # fmt: skip

    def _say_shorter(self, partition: Any, position: int | None, earliest: int) -> None:
        log.error(
            "%s partition %d ends before what was read of it (up to %s): records were lost there, or the topic was "
            "made again; it is read from the earliest (%d), and what is known is not stored again",
            partition.topic, partition.partition, position, earliest,
        )  # fmt: skip


def _named(topics: list[str]) -> str:
    return topics[0] if len(topics) == 1 else f"{topics[0]} to {topics[-1]}"


def topic_id_of(cluster: Any, topic: str) -> str:
    """The id by which the brokers tell topics of one name apart; ``""`` of those before Kafka 2.8, which give none.

    Args:
        cluster: a client's ClusterMetadata, which has no public word for it in the client.
    """
    found = cluster.topic_id(topic)
    return "" if found is None else str(found)
