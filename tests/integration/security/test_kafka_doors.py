"""Kafka by TLS and SASL: each way in works, and each wrong key is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from kafka import errors as kafka_errors

from cryptoproxy.common.checks import check_kafka
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.errors import CryptoProxyError, OperatorError
from tests.integration.security import certificates
from tests.integration.security.conftest import MECHANISMS, Doors


@pytest.fixture(autouse=True)
def less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each refusal takes that long."""
    monkeypatch.setattr(kafka_client, "BOOTSTRAP_TIMEOUT_MS", 2_500)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_user_gets_in_by_each_mechanism(doors: Doors, mechanism: str) -> None:
    kafka = doors.settings("crypto_poller", KAFKA_SASL_MECHANISM=mechanism).kafka
    assert check_kafka(kafka).endswith(
        "record written, read and deleted on crypto-data.state; topic crypto-data is there"
    )


def by_certificate(doors: Doors, folder: Path, **texts: str) -> dict[str, str]:
    pem = certificates.write(folder, doors.authority, "client", common_name="crypto_poller")
    return {
        "KAFKA_BROKERS_HOST_PORT": f"127.0.0.1:{doors.ssl_port}",
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CERTFILE": str(pem.certificate),
        "KAFKA_SSL_KEYFILE": str(pem.key),
        "KAFKA_SASL_PASSWORD_FILE": "",
    }


def test_a_certificate_of_ours_is_a_way_in_without_any_password(doors: Doors, tmp_path: Path) -> None:
    kafka = doors.settings(**by_certificate(doors, tmp_path)).kafka
    assert "record written, read and deleted" in check_kafka(kafka)


def refused(doors: Doors, **texts: str) -> CryptoProxyError:
    kafka = doors.settings("crypto_poller", **texts).kafka
    with pytest.raises(OperatorError) as caught:
        check_kafka(kafka)
    assert doors.kafka_passwords["crypto_poller"] not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_said_to_be_one(doors: Doors, mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    said = str(refused(doors, KAFKA_SASL_MECHANISM=mechanism, KAFKA_SASL_PASSWORD_FILE=str(tmp_path / "password")))
    assert said.startswith(f"SASL: 'crypto_poller' is not let in by {mechanism} (")
    assert "SaslAuthenticationFailedError" in said
    assert "KAFKA_SASL_PASSWORD" in said


def test_an_unknown_user_is_not_let_in(doors: Doors) -> None:
    assert str(refused(doors, KAFKA_SASL_USERNAME="nobody")).startswith("SASL: 'nobody' is not let in")


def test_a_foreign_authority_is_a_matter_of_tls(doors: Doors, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    said = str(refused(doors, KAFKA_SSL_CAFILE=str(tmp_path / "other.pem")))
    assert said.startswith("TLS: ")
    assert "certificate verify failed" in said
    assert "KAFKA_SSL_CAFILE" in said


def test_without_a_ca_the_system_s_own_does_not_do(doors: Doors) -> None:
    assert "KAFKA_SSL_CAFILE" in str(refused(doors, KAFKA_SSL_CAFILE=""))


def test_a_broker_that_wants_a_certificate_says_so(doors: Doors, tmp_path: Path) -> None:
    texts = by_certificate(doors, tmp_path) | {"KAFKA_SSL_CERTFILE": "", "KAFKA_SSL_KEYFILE": ""}
    said = str(refused(doors, **texts))
    assert said.startswith("TLS: the broker does not take our certificate")
    assert "KAFKA_SSL_CERTFILE" in said


def test_plain_words_to_a_port_that_wants_tls_are_not_mistaken_for_a_password(doors: Doors) -> None:
    texts = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    assert "SASL: the brokers take the connection, but not the login" in str(refused(doors, **texts))


@pytest.mark.parametrize("make", [kafka_client.producer, kafka_client.admin])
def test_a_running_part_is_told_the_same(doors: Doors, make: object, tmp_path: Path) -> None:
    """kafka-python itself says only that time was up."""
    (tmp_path / "password").write_text("wrong")
    kafka = doors.settings("crypto_poller", KAFKA_SASL_PASSWORD_FILE=str(tmp_path / "password")).kafka
    with pytest.raises(kafka_errors.SaslAuthenticationFailedError) as caught:
        make(kafka)  # type: ignore[operator]
    said = str(kafka_client.meaning(caught.value, kafka))
    assert "refuses the login as 'crypto_poller' by SCRAM-SHA-512: SaslAuthenticationFailedError" in said
    (tmp_path / "password").write_text(doors.kafka_passwords["crypto_poller"])
    make(kafka).close()  # type: ignore[operator]
