"""The topics: made by `cryptoproxy setup`, which has an administrator's rights; the others only look for them.

| topic | partitions | what for |
|---|---|---|
| ``crypto-data`` | 3 | the records |
| ``crypto-data.dlq`` | 1 | dead letters, kept for ever, larger than any record |
| ``crypto-data.lease`` | 1 | nothing is written: who holds its partition polls |
| ``crypto-data.state`` | 1 | compacted: budgets, bans, accepted poison |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import OperatorError, together

SETTLED_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.5
_DLQ_MESSAGE_BYTES = 64 * 1024 * 1024
# Only closed segments are compacted. With Kafka's own sizes that would be after a week or a gigabyte, and each new
# active poller would have to read all of it.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "3600000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
}

# Said when a topic is made, or the brokers' own defaults count: each record is kept as its producer packed it, and none
# goes because there is a newer one of its key. Of a topic that is there, the first is its owner's choice: every
# compression is read.
_MADE_WITH = {"compression.type": "producer", "cleanup.policy": "delete"}


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
        CryptoProxyError: a topic is there with fewer partitions or copies than wanted, or is compacted: changing that
            is a person's choice. All such are told, after the others were made.
        kafka.errors.KafkaError: from the broker.
    """
    faults = []
    there = {topic["name"]: topic for topic in admin.describe_topics()}
    for name, plan in wanted(kafka).items():
        if name not in there:
            try:
                made = plan | {"configs": _MADE_WITH | plan["configs"]}
                admin.create_topics({name: made}, wait_for_metadata=True)
                yield f"topic {name}: made with {plan['num_partitions']} partition(s)"
                continue
            except kafka_errors.TopicAlreadyExistsError:
                there |= {topic["name"]: topic for topic in admin.describe_topics([name])}
        try:
            _refuse_compaction(name, _in_force(admin, [name])[name], kafka)
            yield f"topic {name}: {_mend(admin, name, there[name], plan)}"
        except OperatorError as error:
            faults.append(error)
    if faults:
        raise together(faults)


def found(admin: Any, kafka: Kafka, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """What the brokers have of each topic, read back from them and held against what is wanted; yields a line each.

    The broker that answers learns of a change from the controller, a moment after it was made: so it is asked again
    for :data:`SETTLED_SECONDS` before a difference counts.

    Raises:
        OperatorError: a setting did not come to be in force.
        kafka.errors.KafkaError: from the broker.
    """
    plans = wanted(kafka)
    patience = SETTLED_SECONDS
    while (fault := _difference(plans, in_force := _in_force(admin, list(plans)))) is not None:
        if patience <= 0:
            raise OperatorError(fault, remedy="Look for a rule of the brokers or another program that sets it")
        sleep(_ASK_AGAIN_SECONDS)
        patience -= _ASK_AGAIN_SECONDS
    partitions = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(list(plans))}
    for name, values in in_force.items():
        copies = min(len(partition["replica_nodes"]) for partition in partitions[name])
        keeps = "last of each key" if values["cleanup.policy"] == "compact" else _kept(int(values["retention.ms"]))
        yield (
            f"topic {name}: partitions {len(partitions[name])}, copies {copies}, "
            f"in-sync copies needed {values['min.insync.replicas']}, keeps {keeps}"
        )


def packed(admin: Any, kafka: Kafka) -> str:
    """How the records on the topics are compressed, in a line; empty where this user is not told.

    Raises:
        OperatorError: a topic is compacted that must not be.
        kafka.errors.KafkaError: from the broker.
    """
    names = list(wanted(kafka))
    found: dict[str, list[str]] = {}
    for name, values in _in_force(admin, names).items():
        _refuse_compaction(name, values, kafka)
        if "compression.type" in values:
            found.setdefault(values["compression.type"], []).append(name)
    return "; ".join(
        ("as sent (producer)" if codec == "producer" else codec)
        + (f" on {', '.join(on)}" if len(on) < len(names) else "")
        for codec, on in found.items()
    )


def _refuse_compaction(name: str, values: Mapping[str, str], kafka: Kafka) -> None:
    """Raises:
    OperatorError: ``name`` keeps records, and loses all but the newest of each key.
    """
    if name in (kafka.topic, kafka.dead_letter_topic) and "compact" in values.get("cleanup.policy", ""):
        raise OperatorError(
            f"topic {name} has cleanup.policy={values['cleanup.policy']}: it loses all but the last record of each key",
            remedy=f"Set it: kafka-configs.sh --alter --topic {name} --add-config cleanup.policy=delete; what is gone "
            "already `cryptoproxy reconcile` names and `cryptoproxy replay` brings back",
        )


def _in_force(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Configuration by topic; empty where the broker that answers does not know the topic yet."""
    from kafka.admin import ConfigResource, ConfigResourceType

    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    values = admin.describe_configs(asked, config_filter="all")["topic"]
    return {name: {key: each["value"] for key, each in values[name].items()} for name in names}


def _difference(plans: Mapping[str, Mapping[str, Any]], in_force: Mapping[str, Mapping[str, str]]) -> str | None:
    """The first setting that is not as wanted, in words."""
    for name, plan in plans.items():
        if not in_force[name]:
            return f"the brokers say nothing of topic {name}"
        for key, value in plan["configs"].items():
            if in_force[name].get(key) != value:
                return f"topic {name} has {key}={in_force[name].get(key)} although {value} was set"
    return None


def _kept(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"{milliseconds / 86_400_000:g} days"


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
