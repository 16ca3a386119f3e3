"""The options that the promise needs; what a refusal means; a client that cannot begin leaves nothing and ends."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as client
from cryptoproxy.common.clients.kafka_python import beginning
from cryptoproxy.common.clients.outside import Address
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.secret import Secret
from cryptoproxy.errors import OperatorError, TransientError
from tests.unit.common.clients.servers import hole, refusing, resolves_to, silent  # noqa: F401 - a fixture

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
        # Not the password itself: each login reads it anew.
        assert options["sasl_plain_password"] is settings.sasl_password


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (kafka_errors.KafkaTimeoutError("Unable to bootstrap"), TransientError, "Unable to bootstrap"),
        (kafka_errors.KafkaConnectionError("reset"), TransientError, "reset"),
        (kafka_errors.NotEnoughReplicasError(), TransientError, "NotEnoughReplicasError"),
        (kafka_errors.TopicAuthorizationFailedError("t"), OperatorError, "rights"),
        (kafka_errors.GroupAuthorizationFailedError("g"), OperatorError, "rights"),
        (
            kafka_errors.KafkaError(
                "Unexpected error in InitProducerIdResponse: [Error 31] ClusterAuthorizationFailedError"
            ),
            OperatorError,
            "rights",
        ),
        (kafka_errors.SaslAuthenticationFailedError("no"), OperatorError, "KAFKA_SASL_PASSWORD"),
        (beginning.TlsRefusedError("unknown CA"), OperatorError, "KAFKA_SSL_CAFILE"),
        (beginning.SecretError("X_FILE=/x is empty"), OperatorError, "X_FILE=/x is empty"),
        (kafka_errors.InvalidReplicationFactorError(), OperatorError, "refuses"),
        (kafka_errors.InvalidTimestampError(), OperatorError, "Set it, or the brokers' (NTP)"),
        (kafka_errors.KafkaError("in an error state: [Error 32] InvalidTimestampError"), OperatorError, "(NTP)"),
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
    assert str(meaning).count(type(error).__name__) <= 1
    assert str(meaning).count(type(error).__name__) <= 1  # kafka-python's own text begins with it


def test_time_that_is_up_is_explained_by_what_the_brokers_last_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: dict[tuple[str, ...], kafka_errors.KafkaError] = {}
    monkeypatch.setattr(beginning, "_refusals", refusals)
    late = kafka_errors.KafkaTimeoutError("no acknowledgement for 30 s")
    refusals["another:9092",] = kafka_errors.SaslAuthenticationFailedError("no")
    assert type(client.meaning(late, kafka(9092))) is TransientError
    refusals["127.0.0.1:9092",] = kafka_errors.SaslAuthenticationFailedError("no")
    meaning = client.meaning(late, kafka(9092))
    assert type(meaning) is OperatorError
    assert "refuses the login" in str(meaning)


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
    with silent() as port:
        before = leftovers()
        with pytest.raises(kafka_errors.KafkaTimeoutError):
            make(kafka(port, protocol))
        assert leftovers() == before


def test_what_a_broker_says_before_it_hangs_up_is_heard() -> None:
    """The refusal of a login is followed by the end of the connection at once."""
    answers = [
        (b"no", kafka_errors.KafkaConnectionError("disconnected")),
        (b"", kafka_errors.KafkaConnectionError("d")),
    ]
    receive = beginning._last_words_first(lambda transport: answers.pop(0))
    assert receive(None) == (b"no", None)
    data, error = receive(None)
    assert (data, type(error)) == (b"", kafka_errors.KafkaConnectionError)


def test_each_login_takes_the_password_as_it_is_by_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: list[str] = []

    async def log_in(connection: Any, timeout_at: float | None = None) -> None:
        shown.append(connection.config["sasl_plain_password"])
        if shown[-1] != "right":
            raise kafka_errors.SaslAuthenticationFailedError("no")

    monkeypatch.setattr(beginning, "_authenticate", log_in)
    monkeypatch.setattr(beginning, "_refusals", {})
    file = tmp_path / "password"
    secret = Secret("KAFKA_SASL_PASSWORD", file=file)
    connection = SimpleNamespace(config={"sasl_plain_password": secret}, net=SimpleNamespace(brokers=("a:1",)))

    file.write_text("wrong")
    with pytest.raises(kafka_errors.SaslAuthenticationFailedError):
        asyncio.run(beginning._authenticated(connection))
    assert isinstance(beginning.refusal(["a:1"]), kafka_errors.SaslAuthenticationFailedError)
    file.unlink()
    with pytest.raises(OperatorError):
        asyncio.run(beginning._authenticated(connection))
    assert isinstance(beginning.refusal(["a:1"]), beginning.SecretError)
    file.write_text("right")
    asyncio.run(beginning._authenticated(connection))
    assert beginning.refusal(["a:1"]) is None
    assert shown == ["wrong", "right"]
    assert connection.config["sasl_plain_password"] is secret


@pytest.mark.parametrize(
    ("brokers", "peer", "protocol", "taken"),
    [
        (("localhost:9092",), "127.0.0.1", "SASL_PLAINTEXT", True),
        (("localhost:9092", "[::1]:9092"), "10.0.0.5", "SASL_PLAINTEXT", False),
        (("localhost:9092",), "10.0.0.5", "SASL_SSL", True),
        (("kafka-1:9092",), "10.0.0.5", "SASL_PLAINTEXT", True),  # the settings have allowed it
    ],
)
def test_a_broker_nearby_cannot_name_one_far_away_for_a_password_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, brokers: tuple[str, ...], peer: str, protocol: str, taken: bool
) -> None:
    shown: list[str] = []

    async def log_in(connection: Any, timeout_at: float | None = None) -> None:
        shown.append(connection.config["sasl_plain_password"])

    monkeypatch.setattr(beginning, "_authenticate", log_in)
    monkeypatch.setattr(beginning, "_refusals", {})
    connection = SimpleNamespace(
        config={"sasl_plain_password": Secret("KAFKA_SASL_PASSWORD", "open-sesame"), "security_protocol": protocol},
        net=SimpleNamespace(brokers=brokers),
        transport=SimpleNamespace(getPeer=lambda: (peer, 9092)),
    )
    if taken:
        asyncio.run(beginning._authenticated(connection))
        assert shown == ["open-sesame"]
        return
    with pytest.raises(OperatorError, match=r"10\.0\.0\.5, which .* names, would get the password unencrypted"):
        asyncio.run(beginning._authenticated(connection))
    assert shown == []
    assert "ALLOW_PLAINTEXT_PASSWORDS" in str(beginning.refusal(brokers))


class Log:
    """A consumer of one partition: each poll gives the records that stand there, and ``meanwhile`` others come."""

    def __init__(self, *values: bytes, meanwhile: bytes | None = None) -> None:
        self.values = list(values)
        self._meanwhile = meanwhile
        self._at = 0
        self._assigned: set[TopicPartition] = set()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0} if topic == "topic" else None

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._assigned = set(partitions)

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(self.values))

    def position(self, partition: TopicPartition, timeout_ms: int) -> int:
        return self._at

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._at = offset

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if self._meanwhile is not None:
            self.values.append(self._meanwhile)
            self._meanwhile = None
        begin, self._at = self._at, min(len(self.values), self._at + 2)
        records = [SimpleNamespace(offset=at, value=self.values[at]) for at in range(begin, self._at)]
        return {TopicPartition("topic", 0): records} if records else {}


def test_a_topic_is_read_to_the_end_that_it_has_and_the_next_call_goes_on_there() -> None:
    log = Log(b"a", b"b", b"c", meanwhile=b"later")
    assert [each.value for each in client.read_to_end(log, "topic", seconds=120)] == [b"a", b"b", b"c"]
    assert [each.value for each in client.read_to_end(log, "topic", seconds=120)] == [b"later"]
    assert list(client.read_to_end(log, "topic", seconds=120)) == []


def test_a_missing_topic_is_set_up_first() -> None:
    with pytest.raises(OperatorError, match="cryptoproxy setup"):
        list(client.read_to_end(Log(), "another", seconds=120))


def test_only_the_brokers_silence_counts_not_what_is_done_with_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: now[0]))
    read = []
    for record in client.read_to_end(Log(b"a", b"b", b"c", b"d", b"e"), "topic", seconds=15, renewed=True):
        now[0] += 600
        read.append(record.value)
    assert read == [b"a", b"b", b"c", b"d", b"e"]


def test_a_topic_that_is_not_read_in_time_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with pytest.raises(TransientError, match="topic is not read to its end within 15 s"):
        list(client.read_to_end(Log(b"a", b"b", b"c"), "topic", seconds=15))


def test_a_process_without_a_file_descriptor_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(**_: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(beginning, "KafkaNetClient", none_left)
    with pytest.raises(kafka_errors.KafkaConnectionError, match="Too many open files"):
        beginning.made(lambda **options: options["kafka_client"](), bootstrap_servers=["127.0.0.1:1"])


def test_an_address_that_swallows_everything_is_passed_by(
    hole: Address,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning, "TRY_SECONDS", 0.1)
    monkeypatch.setattr(client, "BOOTSTRAP_TIMEOUT_MS", 1_000)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        resolves_to(monkeypatch, hole, broker.getsockname())
        with pytest.raises(kafka_errors.KafkaError):  # it says nothing
            client.admin(kafka(1))
        broker.setblocking(False)
        broker.accept()[0].close()  # and was asked
