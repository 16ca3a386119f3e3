"""Kafka clients with the options that the promise needs, and what Kafka's refusals mean."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.kafka_python.beginning import LOGIN_ERRORS, SecretError, TlsRefusedError, made, refusal
from cryptoproxy.common.clients.kafka_python.partitioner import KeyPartitioner
from cryptoproxy.common.clients.kafka_python.unpacking import KafkaConsumer
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError

BOOTSTRAP_TIMEOUT_MS = 5_000
"""How long a new client looks for a broker. Short: the loop that builds it tries again and says so."""

# Refusals that no waiting mends.
_OPERATOR_ERRORS = (
    kafka_errors.KafkaConfigurationError,
    kafka_errors.PolicyViolationError,
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidConfigurationError,
)


def connection(kafka: Kafka) -> dict[str, Any]:
    """Where the brokers are and how to get in, as every kafka-python client takes it. The password is read
    afresh at each login, so a client goes on by itself when a changed one is in its file."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.brokers),
        "security_protocol": kafka.security_protocol,
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 2_000,
    }
    if "SSL" in kafka.security_protocol:
        options |= {
            "ssl_cafile": path_text(kafka.ssl_cafile),
            "ssl_certfile": path_text(kafka.ssl_certfile),
            "ssl_keyfile": path_text(kafka.ssl_keyfile),
        }
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password,
        }
    return options


def producer(
    kafka: Kafka,
    *,
    client_id: str | None = None,
    delivery_timeout_ms: int = 120_000,
    max_request_size: int = 4 * 1024 * 1024,
    compression_type: str = "lz4",
    one_by_one: bool = False,
    transactional_id: str | None = None,
) -> KafkaProducer:
    """A producer that counts a record as sent when all in-sync replicas have it.

    ``enable_idempotence`` is set by itself: ``acks=1``, ``retries=0`` or many in flight would switch it off silently.

    Args:
        one_by_one: to find the record that a topic refuses as too large. To an idempotent producer of kafka-python such
            a refusal is fatal: it gives the same error to every record that is under way. This one sends each record in
            a batch of its own, without idempotence, and an error is that of its record.
        transactional_id: of one whose records count only once they are committed; another one with the same id puts
            this one out.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    return made(
        KafkaProducer,
        **connection(kafka),
        client_id=client_id or kafka.client_id,
        acks="all",
        enable_idempotence=not one_by_one,
        transactional_id=transactional_id,
        transaction_timeout_ms=30_000,
        compression_type=compression_type,
        partitioner=KeyPartitioner(),
        linger_ms=0 if one_by_one else 5,
        batch_size=0 if one_by_one else 256 * 1024,
        max_request_size=max_request_size,
        allow_auto_create_topics=False,
        delivery_timeout_ms=delivery_timeout_ms,
        request_timeout_ms=min(30_000, delivery_timeout_ms - 1_000),
        max_block_ms=10_000,
        metadata_max_age_ms=60_000,
        metrics_enabled=False,
    )


def consumer(kafka: Kafka, *topics: str, group_id: str | None, **options: Any) -> KafkaConsumer:
    """A consumer that commits only what it is told to, and never begins at the end by itself. What a transaction took
    back is not read, nor what one has not decided on yet.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    made_consumer: KafkaConsumer = made(
        KafkaConsumer,
        *topics,
        **connection(kafka),
        **{
            "group_id": group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "metadata_max_age_ms": 30_000,
            "metrics_enabled": False,
            **options,
        },
    )
    return made_consumer


def admin(kafka: Kafka) -> KafkaAdminClient:
    """For `cryptoproxy setup` and checks.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    return made(KafkaAdminClient, **connection(kafka), request_timeout_ms=15_000)


def topic_error(kafka: Kafka, topic: str) -> kafka_errors.KafkaError | None:
    """Why ``topic`` cannot be written to. A producer looks for a missing one for ten seconds, then says only that time
    was up.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """
    with closing(admin(kafka)) as asked:
        (found,) = asked.describe_topics([topic])
    return kafka_errors.for_code(found["error_code"])(topic) if found["error_code"] else None


def partitions_of(consumer: Any, *topics: str) -> list[TopicPartition]:
    """All of these topics; none of one that is missing."""
    return [
        TopicPartition(topic, each) for topic in topics for each in sorted(consumer.partitions_for_topic(topic) or ())
    ]


def unread(consumer: Any, partitions: Sequence[TopicPartition], committed: Mapping[TopicPartition, int | None]) -> int:
    """Records that a group has not committed: of all that are there, where it has committed nothing."""
    begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return sum(ends[each] - max(begins[each], committed.get(each) or 0) for each in partitions)


def see_a_rejoin_through(member: Any) -> None:
    """Before each short ``poll`` of a consumer with a group.

    kafka-python 3.0.12 forgets a rejoin that it began because the topic's metadata changed: if `poll` ends before the
    group has answered, and the leader has taken the new metadata meanwhile, it sees no reason to rejoin any more. It
    would stay half in the group, without heartbeats, until Kafka puts it out. The flag holds until the rejoin is
    complete.
    """
    if member._coordinator.rejoining:
        member._coordinator.request_rejoin()


def close(consumer: Any | None) -> None:
    """Of a consumer without a group; nothing is committed."""
    if consumer is not None:
        consumer.close(autocommit=False, timeout_ms=1000)


def read_to_end(consumer: Any, topic: str, *, seconds: float, renewed: bool = False) -> Iterator[Any]:
    """The records of ``topic`` from its beginning, or from where the last call with this consumer ended, to the end
    that it has now.

    Args:
        consumer: one without a group, of no other topic.
        seconds: for all of it; with ``renewed``, from one answer of the brokers to the next.

    Raises:
        OperatorError: the topic is missing.
        TransientError: it is not read to its end in time.
        kafka.errors.KafkaError: the brokers refuse, or are away.
    """
    partitions = sorted(consumer.assignment())
    if not partitions:
        partitions = partitions_of(consumer, topic)
        if not partitions:
            raise OperatorError(f"topic {topic} is missing", remedy="Run `cryptoproxy setup`")
        consumer.assign(partitions)
    deadline = time.monotonic() + seconds

    def left_ms() -> int:
        return max(1, int((deadline - time.monotonic()) * 1000))

    def behind(end: int, partition: TopicPartition) -> int:
        return end - (consumer.position(partition, timeout_ms=left_ms()) or 0)

    ends = consumer.end_offsets(partitions, timeout_ms=left_ms())
    while any(behind(end, each) > 0 for each, end in ends.items()):
        if time.monotonic() > deadline:
            raise TransientError(f"topic {topic} is not read to its end within {seconds:.0f} s")
        if polled := consumer.poll(timeout_ms=min(left_ms(), 500)):
            for partition, records in polled.items():
                yield from (each for each in records if each.offset < ends[partition])
            if renewed:  # after the records, with which whoever asked for them may have taken long
                deadline = time.monotonic() + seconds
    for partition, end in ends.items():
        if behind(end, partition) < 0:  # what came meanwhile is the next call's
            consumer.seek(partition, end)


@contextmanager
def reading_since(kafka: Kafka, topic: str, since_ms: int, *, seconds: float) -> Iterator[Iterator[Any]]:
    """The records of ``topic`` from that moment (epoch ms; 0: its beginning) to the end that it has now; of each
    partition in its order.

    Args:
        seconds: from one answer of the brokers to the next.

    Raises:
        OperatorError, TransientError, kafka.errors.KafkaError: as :func:`read_to_end`.
    """
    made = consumer(kafka, group_id=None)
    try:
        partitions = partitions_of(made, topic)
        if not partitions:
            raise OperatorError(f"topic {topic} is missing", remedy="Run `cryptoproxy setup`")
        made.assign(partitions)
        if since_ms > 0:
            begins = made.offsets_for_times(dict.fromkeys(partitions, since_ms))
            for partition in partitions:
                if (found := begins.get(partition)) is None:
                    made.seek_to_end(partition)
                else:
                    made.seek(partition, found.offset)
        yield read_to_end(made, topic, seconds=seconds, renewed=True)
    finally:
        close(made)


def meaning(error: kafka_errors.KafkaError, kafka: Kafka) -> CryptoProxyError:
    """What a Kafka error means to the loop that decides: waiting mends it, or a person must.

    To its clients, brokers that refuse the login look as if they were away; what they said then is said here.
    """
    brokers = ",".join(kafka.brokers)
    for each in (error, refusal(kafka.brokers)):
        if (refused := _refused(each, kafka)) is not None:
            return refused
    # Of a producer that may write nowhere, the client says so in words alone.
    if isinstance(error, kafka_errors.AuthorizationError) or "AuthorizationFailedError" in str(error):
        return OperatorError(
            f"Kafka at {brokers} refuses: {words(error)}",
            remedy="Give this user the rights that docs/security.md lists",
        )
    if isinstance(error, _OPERATOR_ERRORS):
        return OperatorError(
            f"Kafka at {brokers} refuses: {words(error)}",
            remedy="Check the settings of topic and brokers (cryptoproxy check)",
        )
    if isinstance(error, kafka_errors.InvalidTimestampError) or "InvalidTimestampError" in str(error):
        return OperatorError(
            f"Kafka at {brokers} refuses what this machine's clock says: {words(error)}",
            remedy="Set it, or the brokers' (NTP)",
        )
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return OperatorError(f"a topic is missing at {brokers}: {words(error)}", remedy="Run `cryptoproxy setup`")
    return TransientError(f"Kafka at {brokers}: {words(error)}")


def _refused(error: kafka_errors.KafkaError | None, kafka: Kafka) -> OperatorError | None:
    """Of an error that stands between us and the brokers as such."""
    brokers = ",".join(kafka.brokers)
    if isinstance(error, TlsRefusedError):
        return OperatorError(
            f"TLS with Kafka at {brokers} fails: {error.args[0]}",
            remedy="Set KAFKA_SSL_CAFILE to the CA that signed the brokers' certificates (cryptoproxy check)",
        )
    if isinstance(error, LOGIN_ERRORS):
        return OperatorError(
            f"Kafka at {brokers} refuses the login as {kafka.sasl_username!r} by {kafka.sasl_mechanism}: "
            f"{words(error)}",
            remedy="Check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM",
        )
    if isinstance(error, SecretError):
        return OperatorError(f"no login to Kafka at {brokers}: {error.args[0]}", remedy="It is tried again by itself")
    return None


def words(error: kafka_errors.KafkaError) -> str:
    """Its name, once, and what it says, without Kafka's number for it."""
    return re.sub(r"^(\w+: )\1", r"\1", re.sub(r"^\[Error -?\w+\] ", "", str(error)))


def path_text(path: object | None) -> str | None:
    """A path as these clients take it."""
    return None if path is None else str(path)
