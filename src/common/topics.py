"""The topics: made by `cryptoproxy setup`, which has an administrator's rights; the others only look for them.

| topic | partitions | what for |
|---|---|---|
| ``crypto-data`` | 3 | the records |
| ``crypto-data.dlq`` | 1 | dead letters, kept for ever, larger than any record |
| ``crypto-data.lease`` | 1 | nothing is written: who holds its partition polls |
| ``crypto-data.state`` | 1 | compacted: budgets, bans, accepted poison |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import errors as kafka_errors

from common.errors import OperatorError
from common.settings.catalogue import Kafka

_DLQ_MESSAGE_BYTES = 64 * 1024 * 1024
# Only closed segments are compacted. With Kafka's own sizes that would be after a week or a gigabyte, and each new
# active poller would have to read all of it.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "3600000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
}


def wanted(kafka: Kafka) -> dict[str, dict[str, Any]]:
    """Partitions, copies and configuration of each topic, as kafka-python's ``create_topics`` takes them."""
    safe = {"min.insync.replicas": str(kafka.min_insync)}
    forever = {"retention.ms": "-1", "retention.bytes": "-1"}
    return {
        kafka.topic: _topic(kafka.partitions, kafka, safe | {"retention.ms": str(int(kafka.retention * 1000))}),
        kafka.dead_letter_topic: _topic(1, kafka, safe | forever | {"max.message.bytes": str(_DLQ_MESSAGE_BYTES)}),
        kafka.lease_topic: _topic(1, kafka, {}),
        kafka.state_topic: _topic(1, kafka, safe | _COMPACTED),
    }


def set_up(admin: Any, kafka: Kafka) -> Iterator[str]:
    """Makes what is missing, mends what may be changed. Idempotent; yields a word for each topic.

    Raises:
        OperatorError: a topic is there with fewer partitions or copies than wanted: changing that is a person's choice.
        kafka.errors.KafkaError: from the broker.
    """
    there = {topic["name"]: topic for topic in admin.describe_topics()}
    for name, plan in wanted(kafka).items():
        if name not in there:
            try:
                admin.create_topics({name: plan}, wait_for_metadata=True)
                yield f"topic {name}: made with {plan['num_partitions']} partition(s)"
                continue
            except kafka_errors.TopicAlreadyExistsError:
                there |= {topic["name"]: topic for topic in admin.describe_topics([name])}
        yield f"topic {name}: {_mend(admin, name, there[name], plan)}"


def _mend(admin: Any, name: str, topic: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    from kafka.admin import ConfigResource, ConfigResourceType

    partitions = topic["partitions"]
    copies = min(len(partition["replica_nodes"]) for partition in partitions)
    if copies < plan["replication_factor"]:
        raise OperatorError(
            f"topic {name} has {copies} copies of a partition, KAFKA_TOPIC_REPLICATION is {plan['replication_factor']}",
            remedy="Reassign its partitions (kafka-reassign-partitions.sh), or set KAFKA_TOPIC_REPLICATION to that",
        )
    if len(partitions) < plan["num_partitions"]:
        raise OperatorError(
            f"topic {name} has {len(partitions)} partitions, KAFKA_TOPIC_PARTITIONS is {plan['num_partitions']}",
            remedy="More partitions move keys, so an asset's order is broken once: docs/operations.md says how; "
            "or set KAFKA_TOPIC_PARTITIONS to what it has",
        )
    configuration = {key: str(value) for key, value in plan["configs"].items()}
    if configuration:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configuration)], incremental=True)
    return f"there already with {len(partitions)} partition(s)"


def _topic(partitions: int, kafka: Kafka, configuration: Mapping[str, str]) -> dict[str, Any]:
    return {"num_partitions": partitions, "replication_factor": kafka.replication, "configs": dict(configuration)}
