"""The topics: made by `cryptoproxy setup`, which has an administrator's rights; the others only look for them.

| topic | partitions | what for |
|---|---|---|
| of each dataset, ``crypto-data`` the tickers' | 3; where each part has a topic of its own, 1 in each | the records |
| ``crypto-data.dlq`` | 1 | dead letters of all datasets, kept for ever, larger than any record |
| ``crypto-data.lease`` | 1 | nothing is written: who holds its partition polls |
| ``crypto-data.state`` | 1 | compacted: budgets, bans, accepted poison, announced history, silences |
| ``crypto-data.watch`` | 4 | compacted: what watch knows, a partition for each share of assets; last: what was told |
| ``crypto.answers`` | 1 | compacted: the newest answer to each call of a poll, as it came |
| ``crypto.live`` | 1 | of LIVE_SYMBOLS: changes of books and open candles as they came, for ten minutes |

Parts share out work among indexers as partitions do: candles have seventeen, and with three partitions each it would be
fifty that are empty most of the time. Who needs more of one may give it more; that is never taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.sections.kafka import KEPT_SECONDS
from cryptoproxy.datasets import ALERT, DATASETS, TICKER, Dataset
from cryptoproxy.errors import OperatorError, TransientError, together

SETTLED_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.5
_DLQ_MESSAGE_BYTES = 64 * 1024 * 1024
_ANSWER_BYTES = 8 * 1024 * 1024
"""As they are sent: packed."""
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


def wanted(kafka: Kafka, datasets: Collection[Dataset[Any]] = (TICKER,)) -> dict[str, dict[str, Any]]:
    """Partitions, copies and configuration of each topic, as kafka-python's ``create_topics`` takes them."""
    safe = {"min.insync.replicas": str(kafka.min_insync)}
    forever = {"retention.ms": "-1", "retention.bytes": "-1"}
    for_a_while = {"retention.ms": str(int(kafka.retention * 1000))}
    of_records = {
        topic: _topic(
            kafka.partitions if len(dataset.parts) == 1 else 1,
            kafka,
            safe | (_COMPACTED if dataset.compacted else for_a_while),
        )
        for dataset in datasets
        for topic in kafka.topics_of(dataset)
    }
    return of_records | {
        kafka.dead_letter_topic: _topic(1, kafka, safe | forever | {"max.message.bytes": str(_DLQ_MESSAGE_BYTES)}),
        kafka.lease_topic: _topic(1, kafka, {}),
        kafka.state_topic: _topic(1, kafka, safe | _COMPACTED),
        **(
            {kafka.answers_topic: _topic(1, kafka, safe | _COMPACTED | {"max.message.bytes": str(_ANSWER_BYTES)})}
            if kafka.keeps_answers
            else {}
        ),
        **({kafka.watch_topic: _topic(kafka.partitions + 1, kafka, safe | _COMPACTED)} if ALERT in datasets else {}),
        **(
            {kafka.live_topic: _topic(1, kafka, {"retention.ms": str(KEPT_SECONDS * 1000)})}
            if kafka.live_symbols
            else {}
        ),
    }


def there(known: Collection[str], kafka: Kafka) -> list[Dataset[Any]]:
    """The datasets that are set up: those of which any topic is among the ``known`` ones."""
    return [dataset for dataset in DATASETS.values() if not kafka.topics_of(dataset).keys().isdisjoint(known)]


def set_up(admin: Any, kafka: Kafka, datasets: Collection[Dataset[Any]] = (TICKER,)) -> Iterator[str]:
    """Makes what is missing, mends what may be changed. Idempotent; yields a word for each topic. However many topics
    there are, the brokers are asked once for each kind of thing.

    Raises:
        CryptoProxyError: a topic is there with fewer partitions or copies than wanted, or is compacted where it must
            not be, or is not where it must: changing that is a person's choice. All such are told, after the others
            were made.
        kafka.errors.KafkaError: from the broker.
    """
    plans = wanted(kafka, datasets)
    found = {topic["name"]: topic for topic in admin.describe_topics()}
    missing = {
        name: plan | {"configs": _MADE_WITH | plan["configs"]} for name, plan in plans.items() if name not in found
    }
    made = _made(admin, missing) if missing else set()
    before, faults = [name for name in plans if name not in made], []
    good = {}
    if before:
        if unseen := [name for name in before if name not in found or not found[name]["partitions"]]:
            found |= {topic["name"]: topic for topic in admin.describe_topics(unseen)}
        in_force = _in_force(admin, before)
        for name in before:
            try:
                _refuse_policy(name, in_force[name], kafka)
                _refuse_less(name, found[name], plans[name])
                good[name] = plans[name]
            except OperatorError as error:
                faults.append(error)
        _configure(admin, good)
    said = {name: f"made with {plan['num_partitions']} partition(s)" for name, plan in plans.items() if name in made}
    said |= {name: f"there already with {len(found[name]['partitions'])} partition(s)" for name in good}
    yield from _in_words({name: said[name] for name in plans if name in said}, kafka, datasets)
    if faults:
        raise together(faults)


def found(
    admin: Any,
    kafka: Kafka,
    datasets: Collection[Dataset[Any]] = (TICKER,),
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """What the brokers have of each topic, read back from them and held against what is wanted; yields a line each.

    The broker that answers learns of a change from the controller, a moment after it was made: so it is asked again
    for :data:`SETTLED_SECONDS` before a difference counts.

    Raises:
        OperatorError: a setting did not come to be in force.
        kafka.errors.KafkaError: from the broker.
    """
    plans = wanted(kafka, datasets)
    patience = SETTLED_SECONDS
    while (fault := _difference(plans, in_force := _in_force(admin, list(plans)))) is not None:
        if patience <= 0:
            raise OperatorError(fault, remedy="Look for a rule of the brokers or another program that sets it")
        sleep(_ASK_AGAIN_SECONDS)
        patience -= _ASK_AGAIN_SECONDS
    partitions = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(list(plans))}
    said = {}
    for name, values in in_force.items():
        copies = min(len(partition["replica_nodes"]) for partition in partitions[name])
        keeps = "last of each key" if values["cleanup.policy"] == "compact" else _kept(int(values["retention.ms"]))
        said[name] = (
            f"partitions {len(partitions[name])}, copies {copies}, "
            f"in-sync copies needed {values['min.insync.replicas']}, keeps {keeps}"
        )
    yield from _in_words(said, kafka, datasets)


def _in_words(said: Mapping[str, str], kafka: Kafka, datasets: Collection[Dataset[Any]]) -> Iterator[str]:
    """A line for each topic; one for those of a dataset of which the same is said."""
    home = {topic: each.name for each in datasets if len(each.parts) > 1 for topic in kafka.topics_of(each)}
    for (_, words), group in groupby(said.items(), lambda item: (home.get(item[0], item[0]), item[1])):
        names = [name for name, _ in group]
        which = f"topic {names[0]}" if len(names) == 1 else f"{len(names)} topics {names[0]} to {names[-1]}"
        yield f"{which}: {words}"


def packed(admin: Any, kafka: Kafka, datasets: Collection[Dataset[Any]] = (TICKER,)) -> str:
    """How the records on the topics are compressed, in a line; empty where this user is not told.

    Raises:
        OperatorError: a topic is compacted that must not be, or is not and must be.
        kafka.errors.KafkaError: from the broker.
    """
    names = list(wanted(kafka, datasets))
    found: dict[str, list[str]] = {}
    for name, values in _in_force(admin, names).items():
        _refuse_policy(name, values, kafka)
        if "compression.type" in values:
            found.setdefault(values["compression.type"], []).append(name)
    return "; ".join(
        ("as sent (producer)" if codec == "producer" else codec)
        + (f" on {', '.join(on)}" if len(on) < len(names) else "")
        for codec, on in found.items()
    )


def _refuse_policy(name: str, values: Mapping[str, str], kafka: Kafka) -> None:
    """Raises:
    OperatorError: ``name`` keeps records, and loses all but the newest of each key; or it is to keep just these, and
        loses them with time.
    """
    policy = values.get("cleanup.policy")
    compacted = {topic: each.compacted for each in DATASETS.values() for topic in kafka.topics_of(each)}
    must = (compacted | {kafka.dead_letter_topic: False}).get(name)
    if policy is None or must is None:
        return
    if not must and "compact" in policy:
        raise OperatorError(
            f"topic {name} has cleanup.policy={policy}: it loses all but the last record of each key",
            remedy=f"Set it: kafka-configs.sh --alter --topic {name} --add-config cleanup.policy=delete; what is gone "
            "already `cryptoproxy reconcile` names and `cryptoproxy replay` brings back",
        )
    if must and "delete" in policy:
        raise OperatorError(
            f"topic {name} has cleanup.policy={policy}: it loses the last record of a key that did not change for long",
            remedy=f"Set it: kafka-configs.sh --alter --topic {name} --add-config cleanup.policy=compact",
        )


def _made(admin: Any, missing: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Those that this call has made; somebody else may have been faster with others."""
    try:
        admin.create_topics(dict(missing), wait_for_metadata=True)
    except kafka_errors.TopicAlreadyExistsError:
        # Which of them, the error does not tell: each by itself then.
        made = set()
        for name, plan in missing.items():
            try:
                admin.create_topics({name: plan}, wait_for_metadata=True)
            except kafka_errors.TopicAlreadyExistsError:
                continue
            made.add(name)
        return made
    return set(missing)


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


def _refuse_less(name: str, topic: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Raises:
    OperatorError: of partitions or of copies there are fewer than wanted.
    TransientError: somebody else is making it, and the broker that answers knows no partition of it yet.
    """
    if not (partitions := topic["partitions"]):
        raise TransientError(f"topic {name} is being made by somebody else: its partitions are not known yet")
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


def _configure(admin: Any, plans: Mapping[str, Mapping[str, Any]]) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    if changed := [
        ConfigResource(ConfigResourceType.TOPIC, name, dict(plan["configs"]))
        for name, plan in plans.items()
        if plan["configs"]
    ]:
        admin.alter_configs(changed, incremental=True)


def _topic(partitions: int, kafka: Kafka, configuration: Mapping[str, str]) -> dict[str, Any]:
    return {"num_partitions": partitions, "replication_factor": kafka.replication, "configs": dict(configuration)}
