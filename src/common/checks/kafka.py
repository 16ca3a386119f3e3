"""Kafka, step by step, because its client reports a wrong port, CA and password all as the same timeout."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections.abc import Collection
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.beginning import LOGIN_ERRORS
from cryptoproxy.common.clients.kafka_python.sender import discard
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError

_SECONDS = 5.0
_LISTEN_SECONDS = 0.3
_CHECK_KEY = b"check"


def check_kafka(kafka: Kafka, datasets: Collection[Dataset[Any]] = ()) -> str:
    """What was proven, in a line.

    Args:
        datasets: all that are set up where none is named; tickers must be.

    Raises:
        CryptoProxyError: which step failed, and what to do.
    """
    _tcp_and_tls(kafka)
    try:
        proven = _write_read_delete(kafka, datasets)
    except LOGIN_ERRORS as error:
        raise OperatorError(
            f"SASL: {kafka.sasl_username!r} is not let in by {kafka.sasl_mechanism} ({kafka_client.words(error)})",
            remedy="Check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM",
        ) from error
    except kafka_errors.KafkaTimeoutError as error:
        if "bootstrap" in str(error).lower() and kafka.security_protocol.startswith("SASL"):
            raise OperatorError(
                f"SASL: the brokers take the connection, but not the login as {kafka.sasl_username!r} "
                f"by {kafka.sasl_mechanism}",
                remedy="Check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM",
            ) from error
        if "bootstrap" in str(error).lower():
            raise OperatorError(
                "the port takes connections, but does not speak Kafka as KAFKA_SECURITY_PROTOCOL="
                f"{kafka.security_protocol} says",
                remedy="Check KAFKA_SECURITY_PROTOCOL and that the port is that listener's",
            ) from error
        raise kafka_client.meaning(error, kafka) from error
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    return proven


def _tcp_and_tls(kafka: Kafka) -> None:
    faults: list[CryptoProxyError] = []
    for broker in kafka.brokers:
        host, _, port = broker.rpartition(":")
        try:
            _reach(host.strip("[]"), int(port), kafka)
        except CryptoProxyError as error:
            faults.append(error)
        else:
            return  # one broker is enough to find the others
    raise faults[0]


def _reach(host: str, port: int, kafka: Kafka) -> None:
    try:
        connection = socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        raise TransientError(
            f"TCP: {host}:{port} does not take a connection ({error}). Is Kafka up there? Check KAFKA_BROKERS_HOST_PORT"
        ) from error
    with connection:
        if "SSL" not in kafka.security_protocol:
            return
        context = _tls(kafka)
        try:
            with context.wrap_socket(connection, server_hostname=host) as wrapped:
                _taken(wrapped, kafka)
        except (ssl.SSLError, OSError) as error:
            raise OperatorError(
                f"TLS: {host}:{port} takes the connection, but not TLS with our certificates ({error})",
                remedy="Check KAFKA_SSL_CAFILE (the CA that signed the broker's certificate) and the port",
            ) from error


def _taken(connection: ssl.SSLSocket, kafka: Kafka) -> None:
    """By TLS 1.3 a broker says only after the handshake that it wants a certificate of ours; else it says nothing."""
    connection.settimeout(_LISTEN_SECONDS)
    try:
        connection.recv(1)
    except TimeoutError:
        return
    except ssl.SSLError as error:
        raise OperatorError(
            f"TLS: the broker does not take our certificate ({error})",
            remedy="Set KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE to a certificate and key that it knows",
        ) from error


def _tls(kafka: Kafka) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka_client.path_text(kafka.ssl_cafile))
        if kafka.ssl_certfile is not None:
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile)
    except OSError as error:
        raise OperatorError(
            f"TLS: our certificates cannot be loaded ({error})",
            remedy="Check that KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE are PEM files that belong "
            "together and that this process may read",
        ) from error
    return context


def _write_read_delete(kafka: Kafka, named: Collection[Dataset[Any]]) -> str:
    value = uuid.uuid4().hex.encode()
    producer = kafka_client.producer(kafka, client_id="cryptoproxy-check")
    try:
        datasets, missing = _topics_of(kafka, named or [TICKER])
        if missing:
            raise OperatorError(
                f"topic {', '.join(missing)} is missing, or this user may not see it",
                remedy="Run `cryptoproxy setup`, or look at the rights in docs/security.md",
            )
        if named:
            datasets = list(named)
        packed = _settings_of_topics(kafka, datasets)
        there = "; ".join(_there(kafka, each) for each in datasets)
        try:
            at = producer.send(kafka.state_topic, key=_CHECK_KEY, value=value).get(timeout=_SECONDS)
        except kafka_errors.TopicAuthorizationFailedError:
            _read(kafka, None, b"")
            may = f"{kafka.state_topic} is readable, not writable: right for an indexer, too little for a poller"
            return f"{packed}; {may}; {there}"
        _read(kafka, at.offset, value)
        producer.send(kafka.state_topic, key=_CHECK_KEY, value=None).get(timeout=_SECONDS)
    finally:
        discard(producer, seconds=_SECONDS)
    return f"{packed}; record written, read and deleted on {kafka.state_topic}; {there}"


def _topics_of(kafka: Kafka, needed: Collection[Dataset[Any]]) -> tuple[list[Dataset[Any]], list[str]]:
    """The datasets of which any topic is there, and what is missing of theirs and of the ``needed`` ones."""
    reader: Any = kafka_client.consumer(kafka, group_id=None)
    try:
        known = reader.topics()
    finally:
        reader.close()
    found = topics.there(known, kafka)
    wanted = {topic for each in (*found, *needed) for topic in kafka.topics_of(each)} | {kafka.state_topic}
    return found, sorted(wanted - known)


def _there(kafka: Kafka, dataset: Dataset[Any]) -> str:
    names = list(kafka.topics_of(dataset))
    return f"topic {names[0]} is there" if len(names) == 1 else f"topics {names[0]} to {names[-1]} are there"


def _settings_of_topics(kafka: Kafka, datasets: Collection[Dataset[Any]]) -> str:
    admin = kafka_client.admin(kafka)
    try:
        packed = topics.packed(admin, kafka, datasets)
    finally:
        admin.close()
    return f"compression of the topics: {packed}" if packed else "how the topics are set up, this user is not told"


def _read(kafka: Kafka, offset: int | None, value: bytes) -> None:
    """``value`` at ``offset`` of the state topic; without an offset only that it may be read."""
    consumer: Any = kafka_client.consumer(kafka, group_id=None)
    try:
        partition = TopicPartition(kafka.state_topic, 0)
        consumer.assign([partition])
        if offset is None:
            consumer.seek_to_beginning(partition)
            consumer.poll(timeout_ms=1_000)
            return
        consumer.seek(partition, offset)
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=250).values():
                if any(record.value == value for record in records):
                    return
    finally:
        consumer.close()
    raise TransientError(f"the record written to {kafka.state_topic} could not be read back within {_SECONDS:.0f} s")
