"""The engines with TLS and users let in who they should, and no other."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

from cryptoproxy.common.checks import check_kafka
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines import ports, secure
from cryptoproxy.engines.cluster import Cluster
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.kafka import probe_brokers
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.s3 import probe_s3
from cryptoproxy.errors import OperatorError

OPTIONS = Options(die_with_parent=True)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> secure.Pem:
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    pem = secure.Pem(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    leaf.cert_chain_pems[0].write_to_path(pem.certificate)
    authority.cert_pem.write_to_path(pem.ca)
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pem.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem


def test_only_known_users_get_in_over_tls(pem: secure.Pem, tmp_path: Path) -> None:
    kafka_port, controller_port, http_port, transport_port, s3_port = free_ports(5)
    broker = secure.kafka(
        tmp_path / "kafka",
        port=kafka_port,
        controller_port=controller_port,
        pem=pem,
        users={"admin": "admin-secret", "reader": "reader-secret"},
        admin="admin",
        heap_mb=256,
        options=OPTIONS,
    )
    node = secure.elasticsearch(
        tmp_path / "elasticsearch",
        port=http_port,
        transport_port=transport_port,
        pem=pem,
        password="elastic-secret",
        users={"indexer": secure.ElasticsearchUser("indexer-secret", ["indexer"])},
        roles_yml="indexer:\n  cluster: [monitor]\n",
        heap_mb=512,
        options=OPTIONS,
    )
    key = load_pem_private_key(pem.key.read_bytes(), None)
    certificate = load_pem_x509_certificate(pem.certificate.read_bytes())
    bundle = pkcs12.serialize_key_and_certificates(
        b"s3", key, certificate, None, BestAvailableEncryption(b"p12-secret")
    )
    store = secure.s3(
        tmp_path / "s3",
        port=s3_port,
        access_key="key",
        secret_key="secret",
        pkcs12=bundle,
        pkcs12_password="p12-secret",
        ca=pem.ca,
        options=OPTIONS,
    )
    with Cluster(tmp_path, (broker, node, store)):
        login = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": secure.SCRAM,
            "sasl_plain_username": "reader",
            "ssl_cafile": str(pem.ca),
        }
        assert probe_brokers(broker.endpoint, sasl_plain_password="reader-secret", **login) is None
        assert probe_brokers(broker.endpoint, sasl_plain_password="wrong", **login) is not None
        texts = {
            "KAFKA_BROKERS_HOST_PORT": broker.endpoint,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": "reader",
            "KAFKA_SASL_PASSWORD": "reader-secret",
            "KAFKA_SSL_CAFILE": str(pem.ca),
        }
        with pytest.raises(
            OperatorError, match=r"SASL: 'reader' .* by PLAIN \(UnsupportedSaslMechanismError"
        ) as caught:
            check_kafka(Settings.from_texts(texts).kafka)
        assert "KAFKA_SASL_MECHANISM" in caught.value.remedy

        context = ssl.create_default_context(cafile=pem.ca)

        def status(path: str, user: str, password: str) -> int:
            return ports.get(node.endpoint + path, headers=secure.basic(user, password), context=context)[0]

        assert status("/_cluster/health", "indexer", "indexer-secret") == 200
        assert status("/_cluster/health", "indexer", "wrong") == 401
        assert status("/_security/role", "indexer", "indexer-secret") == 403

        assert probe_s3(store.endpoint, "key", "secret", ca=pem.ca) is None
        assert "403" in (probe_s3(store.endpoint, "key", "wrong", ca=pem.ca) or "")
