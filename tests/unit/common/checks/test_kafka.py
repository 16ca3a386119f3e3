"""Each step that fails is named, with what to do; kafka-python itself says the same of all of them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from cryptoproxy.common.checks import check_kafka, kafka
from cryptoproxy.common.clients import kafka as client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import OperatorError, TransientError
from tests.unit.common.clients.servers import refusing, silent, tls


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_SECONDS", 1.0)
    monkeypatch.setattr(client, "BOOTSTRAP_TIMEOUT_MS", 300)


def settings(*ports: int, ca: Path | None = None, **texts: str) -> Kafka:
    brokers = ",".join(f"127.0.0.1:{port}" for port in ports)
    more = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": str(ca)} if ca else {}
    return Settings.from_texts({"KAFKA_BROKERS_HOST_PORT": brokers, **more, **texts}).kafka


def test_a_port_that_nobody_listens_on() -> None:
    port = refusing()
    with pytest.raises(TransientError, match=f"TCP: 127.0.0.1:{port} does not take a connection"):
        check_kafka(settings(port))


def test_a_port_that_does_not_speak_kafka() -> None:
    with silent() as port, pytest.raises(OperatorError, match="does not speak Kafka as KAFKA_SECURITY_PROTOCOL"):
        check_kafka(settings(port))


def test_a_login_that_is_not_taken() -> None:
    texts = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_USERNAME": "poller",
        "KAFKA_SASL_PASSWORD": "open-sesame",
    }
    with silent() as port, pytest.raises(OperatorError, match="not the login as 'poller' by SCRAM-SHA-512") as caught:
        check_kafka(settings(port, **texts))
    assert "open-sesame" not in str(caught.value)


def test_a_certificate_of_another_authority(context: ssl.SSLContext, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with tls(context) as port, pytest.raises(OperatorError, match=r"TLS: .* not TLS with our certificates") as caught:
        check_kafka(settings(port, ca=tmp_path / "other.pem"))
    assert "KAFKA_SSL_CAFILE" in caught.value.remedy


def test_a_port_that_does_not_speak_tls(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with silent() as port, pytest.raises(OperatorError, match=r"TLS: .* not TLS with our certificates"):
        check_kafka(settings(port, ca=tmp_path / "ca.pem"))


@pytest.mark.parametrize("name", ["KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE"])
def test_a_certificate_file_that_is_none(
    context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path, name: str
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "garbage.pem").write_text("garbage")
    with tls(context) as port, pytest.raises(OperatorError, match="our certificates cannot be loaded") as caught:
        check_kafka(settings(port, ca=tmp_path / "ca.pem", **{name: str(tmp_path / "garbage.pem")}))
    assert name in caught.value.remedy


def test_one_broker_that_answers_is_enough_to_find_the_others(
    context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setattr(kafka, "_write_read_delete", lambda kafka, datasets: "record written")
    with tls(context) as port:
        proven = check_kafka(settings(refusing(), port, ca=tmp_path / "ca.pem"))
    assert proven == "record written"
