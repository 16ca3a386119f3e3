"""What Kafka itself is like, for Prometheus: what comes onto each partition and lies on it, who leads it, how far
behind each group is, and how full the brokers' disks are.

All topics and groups that this user may describe, not only ours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import OffsetSpec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cryptoproxy.common.clients.turns import take_turns
from cryptoproxy.common.log import Limited
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka

log = logging.getLogger(__name__)
_told = Limited(log, seconds=300)

SECONDS = 15.0
"""Between two looks: what Prometheus asks for as often is no older."""
Labels = tuple[str, ...]
Values = Mapping[str, Mapping[Labels, float]]
"""By the name of a metric, then by its labels' values."""

_PARTITION = ("topic", "partition")
METRICS: Mapping[str, tuple[type[CounterMetricFamily | GaugeMetricFamily], str, Labels]] = {
    "kafka_records": (CounterMetricFamily, "Records that ever came onto a partition: its end", _PARTITION),
    "kafka_records_held": (GaugeMetricFamily, "Records between a partition's begin and end", _PARTITION),
    "kafka_replicas_missing": (GaugeMetricFamily, "Replicas of a partition that are not in sync", _PARTITION),
    "kafka_partitions_led": (GaugeMetricFamily, "Partitions that a broker leads", ("broker",)),
    "kafka_group_lag_records": (
        GaugeMetricFamily, "Records of a topic that a group has not committed", ("group", "topic")
    ),
    "kafka_log_bytes": (GaugeMetricFamily, "What a topic takes on a broker's disk", ("broker", "topic")),
    "kafka_disk_bytes": (
        GaugeMetricFamily, "Size of the disk under a broker's log (Kafka 3.3 or newer)", ("broker", "folder")
    ),
    "kafka_disk_free_bytes": (GaugeMetricFamily, "What is free of it", ("broker", "folder")),
}  # fmt: skip


class Brokers(Collector):
    """A loop, and what it has found last for each scrape.

    Args:
        connect: makes an admin client.
    """

    def __init__(self, *, kafka: Kafka, connect: Callable[[], Any], health: Health) -> None:
        self._kafka, self._connect, self._health = kafka, connect, health
        self._admin: Any = None
        self._found: Values = {}

    def run(self, loop: Loop) -> None:
        """Until a stop. While Kafka does not answer nothing is told, rather than what is not so any more."""

        def turn() -> None:
            if self._admin is None:
                self._admin = self._connect()
            self._found = read(self._admin)
            loop.wait(SECONDS)

        take_turns(loop, turn, part="kafka", health=self._health, kafka=self._kafka, failed=self._forget)
        self._forget()

    def _forget(self) -> None:
        """The client, too: it keeps to coordinators that have moved."""
        self._found = {}
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(kafka_errors.KafkaError):
                admin.close()

    def collect(self) -> Iterator[Metric]:
        found = self._found
        for name, (family, _) in zip(METRICS, families(), strict=True):
            for values, value in found.get(name, {}).items():
                family.add_metric(values, value)
            yield family


def families() -> list[tuple[Any, Labels]]:
    """Empty ones, with their labels."""
    return [
        (kind(f"cryptoproxy_{name}", what, labels=labels), labels) for name, (kind, what, labels) in METRICS.items()
    ]


def read(admin: Any) -> Values:
    """
    Raises:
        kafka.errors.KafkaError: it is away, or refuses.
    """
    topics = [each for each in admin.describe_topics() if not each["is_internal"]]
    partitions = {
        TopicPartition(topic["name"], each["partition_index"]): each for topic in topics for each in topic["partitions"]
    }
    led = [at for at, each in partitions.items() if each["leader_id"] >= 0]  # of the others nobody knows an offset
    begins, ends = (
        {
            at: found.offset
            for at, found in admin.list_partition_offsets(dict.fromkeys(led, which)).items()
        }
        if led else {}
        for which in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )  # fmt: skip
    lags: Counter[Labels] = Counter()
    for group in [each["group_id"] for each in _tried("groups", admin.list_groups, ())]:
        offsets = _tried(f"group {group}", partial(admin.list_group_offsets, {group: None}), {group: {}})
        for at, committed in offsets[group].items():
            if at in ends and committed.offset >= 0:
                lags[group, at.topic] += max(0, ends[at] - max(begins[at], committed.offset))
    sizes: Counter[Labels] = Counter()
    disk: dict[Labels, float] = {}
    free: dict[Labels, float] = {}
    for each in _tried("log folders", admin.describe_log_dirs, ()):
        broker = str(each["broker"])
        for folder in each["log_dirs"]:
            place = broker, folder["log_dir"]
            if folder.get("total_bytes", -1) >= 0:
                disk[place], free[place] = folder["total_bytes"], folder["usable_bytes"]
            for topic in folder["topics"]:
                sizes[broker, topic["name"]] += sum(part["partition_size"] for part in topic["partitions"])
    return {
        "kafka_records": {_labels(at): end for at, end in ends.items()},
        "kafka_records_held": {_labels(at): end - begins[at] for at, end in ends.items()},
        "kafka_replicas_missing": {
            _labels(at): len(each["replica_nodes"]) - len(each["isr_nodes"]) for at, each in partitions.items()
        },
        "kafka_partitions_led": {
            (str(broker),): count for broker, count in Counter(partitions[at]["leader_id"] for at in led).items()
        },
        "kafka_group_lag_records": lags,
        "kafka_log_bytes": sizes,
        "kafka_disk_bytes": disk,
        "kafka_disk_free_bytes": free,
    }


def _tried(what: str, ask: Callable[[], Any], without: Any) -> Any:
    """One broker or group that does not answer hides no figure of the others."""
    try:
        return ask()
    except kafka_errors.KafkaError as error:
        _told.warning(what, f"{what} of Kafka cannot be asked for: {error}")
        return without


def _labels(at: TopicPartition) -> Labels:
    return at.topic, str(at.partition)
