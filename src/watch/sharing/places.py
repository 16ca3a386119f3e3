"""How far one is in the topics that rules need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kafka import TopicPartition

from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import DATASETS
from cryptoproxy.watch.judge import topics_asked
from cryptoproxy.watch.rulebook.rules import Rules

Places = dict[TopicPartition, int]
Listed = list[tuple[str, int, int]]
"""The same as the ledger keeps it: topic, partition, offset."""


class Inputs:
    """The topics that the rules need.

    Raises:
        kafka.errors.KafkaError: the brokers do not tell their partitions.
    """

    def __init__(self, kafka: Kafka, rules: Rules, consumer: Any) -> None:
        self.called: dict[str, str] = {}
        """By topic: the dataset and part."""
        self.partitions: list[TopicPartition] = []
        self.missing: list[str] = []
        for name, part in topics_asked(rules):
            topic = kafka.topic_of(DATASETS[name], part)
            found = consumer.partitions_for_topic(topic)
            if not found:
                self.missing.append(topic)
                continue
            self.called[topic] = DATASETS[name].called(part)
            self.partitions += [TopicPartition(topic, each) for each in sorted(found)]

    def ends(self, consumer: Any) -> Places:
        """How far each partition goes."""
        ends: Places = consumer.end_offsets(self.partitions) if self.partitions else {}
        return ends


def begin_of(partition: TopicPartition, known: Places, ends: Places) -> int:
    """Where to judge from, of a partition that was not known, or is shorter than it was: of a topic that is new to the
    rules at its end; of one that has got more partitions, or was made again, at its begin."""
    return 0 if any(each.topic == partition.topic for each in known) else ends[partition]


def listed(places: Places) -> Listed:
    return [(each.topic, each.partition, offset) for each, offset in places.items()]


def placed(found: Iterable[tuple[str, int, int]]) -> Places:
    return {TopicPartition(topic, number): offset for topic, number, offset in found}
