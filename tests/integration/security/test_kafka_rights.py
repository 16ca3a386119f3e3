"""Each part does its work with the ACLs of docs/security/kafka-acls.sh, and nothing beyond."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.cli.status import engines
from cryptoproxy.common.checks import check_kafka
from cryptoproxy.common.clients import brokers
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.letters.reader import read_letters
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.handover import read_all
from tests.integration.security.conftest import Doors

SECONDS = 30


def write(kafka: Kafka, topic: str) -> None:
    with closing(kafka_client.producer(kafka)) as producer:
        producer.send(topic, key=b"check", value=None if topic == kafka.state_topic else b"{}").get(timeout=SECONDS)


def read(kafka: Kafka, topic: str) -> None:
    consumer: Any = kafka_client.consumer(kafka, group_id=None)
    try:
        if not consumer.partitions_for_topic(topic):  # of what one may not even see, nothing comes without a word
            raise OperatorError(f"topic {topic} is missing", remedy="Or this user may not see it")
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        consumer.poll(timeout_ms=2_000)
    finally:
        consumer.close()


def commit(kafka: Kafka, group: str) -> None:
    consumer: Any = kafka_client.consumer(kafka, group_id=group)
    try:
        consumer.committed(TopicPartition(kafka.topic, 0), timeout_ms=SECONDS * 1000)
    finally:
        consumer.close(timeout_ms=1000)


def administrate(kafka: Kafka, action: Callable[[Any], Any]) -> None:
    admin = kafka_client.admin(kafka)
    try:
        action(admin)
    finally:
        admin.close()


Act = Callable[[Kafka], object]
EVERYTHING: dict[str, Act] = {
    "write topic": lambda kafka: write(kafka, kafka.topic),
    "write state": lambda kafka: write(kafka, kafka.state_topic),
    "write dead letters": lambda kafka: write(kafka, kafka.dead_letter_topic),
    "write answers": lambda kafka: write(kafka, kafka.answers_topic),
    "read answers": lambda kafka: read(kafka, kafka.answers_topic),
    "read topic": lambda kafka: read(kafka, kafka.topic),
    "read state": lambda kafka: read_all(kafka, timeout=SECONDS),
    "read dead letters": lambda kafka: list(read_letters(kafka)),
    "the indexers' group": lambda kafka: commit(kafka, kafka.group_id),
    "the lease's group": lambda kafka: commit(kafka, kafka.lease_topic),
    "a reader's own group": lambda kafka: commit(kafka, "crypto_reader-team-a"),
    "delete the topic": lambda kafka: administrate(kafka, lambda admin: admin.delete_topics([kafka.topic])),
    "delete records": lambda kafka: administrate(
        kafka, lambda admin: admin.delete_records({TopicPartition(kafka.topic, 0): 0})
    ),
}
MAY = {
    "crypto_poller": {
        *("write topic", "write answers", "write state", "write dead letters"),
        *("read topic", "read state", "the lease's group"),  # a stream goes on where the topic ends
    },
    "crypto_indexer": {"write dead letters", "read topic", "read state", "the indexers' group"},
    "crypto_reader": {"read topic", "read answers", "a reader's own group"},
    "crypto_door": {"read topic", "read answers", "read state", "the indexers' group"},  # to tell their lag
    "crypto_operator": {
        *("write state", "read topic", "read state", "read dead letters"),
        *("the indexers' group", "the lease's group"),  # to look at: it may not join or commit
    },
    "crypto_setup": set[str](),
    "crypto_brokers": {"the indexers' group", "the lease's group", "a reader's own group"},  # to look at
}


@pytest.mark.parametrize("user", MAY)
def test_each_user_may_do_its_own_work_and_nothing_else(doors: Doors, user: str) -> None:
    kafka = doors.settings(user).kafka
    done = {name for name, act in EVERYTHING.items() if _does(kafka, act)}
    assert done == MAY[user]


def _does(kafka: Kafka, act: Act) -> bool:
    try:
        act(kafka)
    except (kafka_errors.KafkaError, OperatorError) as error:
        if "AuthorizationFailed" in str(error) or "is missing" in str(error):  # what one may not see is not there
            return False
        raise
    return True


def test_the_one_that_looks_at_the_brokers_sees_all_that_there_is(doors: Doors) -> None:
    kafka = doors.settings("crypto_brokers").kafka
    with closing(kafka_client.admin(kafka)) as admin:
        found = brokers.read(admin)
    assert {topic for topic, _ in found["kafka_records"]} >= {kafka.topic, kafka.state_topic}
    assert {topic for _, topic in found["kafka_log_bytes"]} >= {kafka.topic, kafka.state_topic}
    assert all(found["kafka_disk_bytes"].values())


def test_the_check_says_what_a_user_is_good_for(doors: Doors) -> None:
    assert "record written, read and deleted on crypto-data.state" in check_kafka(doors.settings("crypto_poller").kafka)
    assert "right for an indexer, too little for a poller" in check_kafka(doors.settings("crypto_indexer").kafka)
    with pytest.raises(OperatorError, match="or this user may not see it") as caught:
        check_kafka(doors.settings("crypto_reader").kafka)
    assert "docs/security.md" in str(caught.value)


def test_the_operator_may_see_all_that_status_tells_and_join_no_group(doors: Doors) -> None:
    kafka = doors.settings("crypto_operator").kafka
    seen = engines.on_kafka(kafka)
    assert (seen.holder(), seen.indexers, seen.lag >= 0) == (None, 0, True)
    for group in (kafka.group_id, kafka.lease_topic):
        consumer: Any = kafka_client.consumer(kafka, kafka.topic, group_id=group)
        try:
            with pytest.raises(kafka_errors.GroupAuthorizationFailedError):
                consumer.poll(timeout_ms=SECONDS * 1000)
        finally:
            consumer.close(timeout_ms=1000)
