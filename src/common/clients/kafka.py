"""Kafka clients with the options that the promise needs, and what Kafka's refusals mean."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors

from common.clients.beginning import made
from common.errors import CryptoProxyError, OperatorError, TransientError
from common.settings.catalogue import Kafka

BOOTSTRAP_TIMEOUT_MS = 5_000
"""How long a new client looks for a broker. Short: the loop that builds it tries again and says so."""

# Refusals that no waiting mends.
_OPERATOR_ERRORS = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.KafkaConfigurationError,
    kafka_errors.PolicyViolationError,
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidConfigurationError,
)


def connection(kafka: Kafka) -> dict[str, Any]:
    """Where the brokers are and how to get in, as every kafka-python client takes it. Secrets are read afresh."""
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
            "sasl_plain_password": kafka.sasl_password.get(),
        }
    return options


def producer(
    kafka: Kafka,
    *,
    client_id: str | None = None,
    delivery_timeout_ms: int = 120_000,
    max_request_size: int = 4 * 1024 * 1024,
) -> KafkaProducer:
    """A producer that counts a record as sent when all in-sync replicas have it.

    ``enable_idempotence`` is set by itself: ``acks=1``, ``retries=0`` or many in flight would switch it off silently.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    return made(
        KafkaProducer,
        **connection(kafka),
        client_id=client_id or kafka.client_id,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
        batch_size=256 * 1024,
        max_request_size=max_request_size,
        allow_auto_create_topics=False,
        delivery_timeout_ms=delivery_timeout_ms,
        request_timeout_ms=min(30_000, delivery_timeout_ms - 1_000),
        max_block_ms=10_000,
        metadata_max_age_ms=60_000,
        metrics_enabled=False,
    )


def consumer(kafka: Kafka, *topics: str, group_id: str | None, **options: Any) -> KafkaConsumer:
    """A consumer that commits only what it is told to, and never begins at the end by itself.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    return made(
        KafkaConsumer,
        *topics,
        **connection(kafka),
        **{
            "group_id": group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
            "metadata_max_age_ms": 30_000,
            "metrics_enabled": False,
            **options,
        },
    )


def admin(kafka: Kafka) -> KafkaAdminClient:
    """For `cryptoproxy setup` and checks.

    Raises:
        kafka.errors.KafkaTimeoutError: no broker was found within five seconds.
    """
    return made(KafkaAdminClient, **connection(kafka), request_timeout_ms=15_000)


def meaning(error: kafka_errors.KafkaError, kafka: Kafka) -> CryptoProxyError:
    """What a Kafka error means to the loop that decides: waiting mends it, or a person must."""
    brokers = ",".join(kafka.brokers)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, _OPERATOR_ERRORS):
        return OperatorError(
            f"Kafka at {brokers} refuses: {words}",
            remedy="Check user, password and rights (cryptoproxy check; docs/operations.md lists the rights)",
        )
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return OperatorError(f"a topic is missing at {brokers}: {words}", remedy="Run `cryptoproxy setup`")
    return TransientError(f"Kafka at {brokers}: {words}")


def path_text(path: object | None) -> str | None:
    """A path as these clients take it."""
    return None if path is None else str(path)
