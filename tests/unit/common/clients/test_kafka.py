"""The options that the promise needs; what a refusal means; a client that cannot begin leaves nothing and ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import errors as kafka_errors

from common.clients import beginning
from common.clients import kafka as client
from common.errors import OperatorError, TransientError
from common.settings import Settings
from common.settings.catalogue import Kafka
from tests.unit.common.clients.servers import refusing, silent

MAKERS: list[Callable[[Kafka], Any]] = [
    client.producer,
    lambda kafka: client.consumer(kafka, "t", group_id="g"),
    client.admin,
]
NAMES = ["producer", "consumer", "admin"]


def kafka(port: int, protocol: str = "PLAINTEXT") -> Kafka:
    return Settings.from_texts(
        {"KAFKA_BROKERS_HOST_PORT": f"127.0.0.1:{port}", "KAFKA_SECURITY_PROTOCOL": protocol}
    ).kafka


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the clients are made with, instead of clients."""
    found: dict[str, Any] = {}

    def record(*topics: str, **options: Any) -> str:
        found.update(options, topics=topics)
        return "client"

    for name in ("KafkaProducer", "KafkaConsumer", "KafkaAdminClient"):
        monkeypatch.setattr(client, name, record)
    return found


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BOOTSTRAP_TIMEOUT_MS", 300)
    monkeypatch.setattr(beginning, "TLS_SECONDS", 0.2)


def test_a_producer_waits_for_all_replicas_and_sends_nothing_twice_within_a_session(options: dict[str, Any]) -> None:
    assert client.producer(kafka(9092)) == "client"
    assert options["acks"] == "all"
    assert options["enable_idempotence"] is True
    assert options["allow_auto_create_topics"] is False
    assert options["client_id"] == "cryptoproxy-producer"
    assert options["request_timeout_ms"] < options["delivery_timeout_ms"]


def test_a_producer_for_a_check_may_have_another_name_and_less_patience(options: dict[str, Any]) -> None:
    client.producer(kafka(9092), client_id="check", delivery_timeout_ms=5_000)
    assert options["client_id"] == "check"
    assert options["request_timeout_ms"] <= options["delivery_timeout_ms"] == 5_000


def test_a_consumer_commits_only_what_it_is_told_to(options: dict[str, Any]) -> None:
    client.consumer(kafka(9092), "one", "two", group_id="g", session_timeout_ms=8_000)
    assert options["topics"] == ("one", "two")
    assert options["enable_auto_commit"] is False
    assert options["auto_offset_reset"] == "earliest"
    assert options["allow_auto_create_topics"] is False
    assert (options["group_id"], options["session_timeout_ms"]) == ("g", 8_000)
    client.consumer(kafka(9092), group_id=None, auto_offset_reset="none")
    assert options["auto_offset_reset"] == "none"


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_the_way_in_is_what_the_settings_say(protocol: str, tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    texts = {
        "KAFKA_BROKERS_HOST_PORT": "a:1,b:2",
        "KAFKA_SECURITY_PROTOCOL": protocol,
        "KAFKA_SSL_CAFILE": str(tmp_path / "ca.pem"),
        "KAFKA_SSL_CERTFILE": str(tmp_path / "cert.pem"),
        "KAFKA_SSL_KEYFILE": str(tmp_path / "key.pem"),
        "KAFKA_SASL_USERNAME": "poller",
        "ALLOW_PLAINTEXT_PASSWORDS": "true",
    }
    if "SASL" in protocol:
        (tmp_path / "password").write_text("first")
        texts["KAFKA_SASL_PASSWORD_FILE"] = str(tmp_path / "password")
    settings = Settings.from_texts(texts).kafka
    options = client.connection(settings)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == protocol
    assert options.get("ssl_cafile") == (str(tmp_path / "ca.pem") if "SSL" in protocol else None)
    assert ("ssl_certfile" in options) == ("SSL" in protocol)
    assert options.get("sasl_plain_username") == ("poller" if "SASL" in protocol else None)
    if "SASL" in protocol:
        assert options["sasl_plain_password"] == "first"
        (tmp_path / "password").write_text("second")
        assert client.connection(settings)["sasl_plain_password"] == "second"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (kafka_errors.KafkaTimeoutError("Unable to bootstrap"), TransientError, "Unable to bootstrap"),
        (kafka_errors.KafkaConnectionError("reset"), TransientError, "reset"),
        (kafka_errors.NotEnoughReplicasError(), TransientError, "NotEnoughReplicasError"),
        (kafka_errors.TopicAuthorizationFailedError("t"), OperatorError, "rights"),
        (kafka_errors.GroupAuthorizationFailedError("g"), OperatorError, "rights"),
        (kafka_errors.SaslAuthenticationFailedError("no"), OperatorError, "password"),
        (kafka_errors.UnsupportedSaslMechanismError("no"), OperatorError, "refuses"),
        (kafka_errors.UnknownTopicOrPartitionError("t"), OperatorError, "cryptoproxy setup"),
    ],
)
def test_a_refusal_is_waited_out_or_a_person_s_matter(
    error: kafka_errors.KafkaError, kind: type[Exception], said: str
) -> None:
    meaning = client.meaning(error, kafka(9092))
    assert type(meaning) is kind
    assert said in str(meaning)
    assert "127.0.0.1:9092" in str(meaning)


def leftovers() -> tuple[int, int]:
    io_threads = sum(thread.name.startswith("kafka-io") for thread in threading.enumerate())
    return io_threads, len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_a_client_that_finds_no_broker_leaves_no_thread_and_no_descriptor(make: Callable[[Kafka], Any]) -> None:
    """Else a Kafka that is away for an hour would use up the descriptors that the outbox needs."""
    settings = kafka(refusing())
    with pytest.raises(kafka_errors.KafkaTimeoutError):
        make(settings)  # what the first one loads for good does not count
    before = leftovers()
    for _ in range(3):
        with pytest.raises(kafka_errors.KafkaTimeoutError):
            make(settings)
    assert leftovers() == before


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_a_broker_that_takes_the_connection_and_says_nothing_is_given_up(
    make: Callable[[Kafka], Any], protocol: str
) -> None:
    begun = time.monotonic()
    with silent() as port:
        before = leftovers()
        with pytest.raises(kafka_errors.KafkaTimeoutError):
            make(kafka(port, protocol))
        assert leftovers() == before
    assert time.monotonic() - begun < 20
