"""Kafka, Elasticsearch and S3 behind TLS, with users and the rights that the documentation gives them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import iso
from cryptoproxy.engines import secure
from cryptoproxy.engines.cluster import Cluster
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.lake.store import Store
from tests.integration.security import certificates, rights
from tests.integration.security.processes import spellings

OPTIONS = Options(die_with_parent=True)
ADMIN = "admin"
KAFKA_USERS = (
    ADMIN,
    "crypto_setup",
    "crypto_poller",
    "crypto_indexer",
    "crypto_reader",
    "crypto_door",
    "crypto_operator",
    "crypto_brokers",
)
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", secure.PLAIN)


@dataclass
class Doors:
    """Three engines and the keys to them. Every password is in a file of its own, as `NAME_FILE` wants it."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self._made: dict[str, str] = {}
        self.pem = certificates.write(self.folder / "certificates", self.authority, "server")
        ports = free_ports(6)
        self.ssl_port = ports[5]
        self.kafka_passwords = {name: self.new_password(f"kafka-{name}") for name in KAFKA_USERS}
        self.elastic_passwords = {name: self.new_password(f"elastic-{name}") for name in rights.ROLES}
        self.superuser = self.new_password("elastic")
        self.access_key, self.secret_key = self.new_password("access"), self.new_password("secret")
        self.kafka: Kafka = secure.kafka(
            self.folder / "kafka",
            port=ports[0],
            controller_port=ports[1],
            ssl_port=self.ssl_port,
            pem=self.pem,
            users=self.kafka_passwords,
            admin=ADMIN,
            mechanisms=MECHANISMS,
            heap_mb=384,
            options=OPTIONS,
        )
        self.elasticsearch: Elasticsearch = secure.elasticsearch(
            self.folder / "elasticsearch",
            port=ports[2],
            transport_port=ports[3],
            pem=self.pem,
            password=self.superuser,
            users={name: secure.ElasticsearchUser(word, [name]) for name, word in self.elastic_passwords.items()},
            roles_yml=rights.roles_yml(),
            heap_mb=640,
            settings={"resource.reload.interval.high": "1s"},
            options=OPTIONS,
        )
        self.s3 = self.s3_with(ports[4], self.secret_key)
        for kind, words in (("kafka", self.kafka_passwords), ("elastic", self.elastic_passwords)):
            for name, word in words.items():
                self.file(kind, name).write_text(word + "\n")
        self.file("s3", "access").write_text(self.access_key)
        self.file("s3", "secret").write_text(self.secret_key)

    def file(self, kind: str, name: str) -> Path:
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        return folder / f"{kind}-{name}"

    def s3_with(self, port: int, secret_key: str) -> S3:
        """The same lake, opened by another key: it takes effect with a start."""
        return secure.s3(
            self.folder / "s3",
            port=port,
            access_key=self.access_key,
            secret_key=secret_key,
            pkcs12=certificates.bundle(self.pem, "p12"),
            pkcs12_password="p12",
            ca=self.pem.ca,
            heap_mb=128,
            options=OPTIONS,
        )

    def texts(self, kafka: str = ADMIN, elastic: str = "crypto_reader") -> dict[str, str]:
        """The settings of one who is this Kafka user and this Elasticsearch user."""
        return {
            "KAFKA_BROKERS_HOST_PORT": self.kafka.endpoint,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": MECHANISMS[0],
            "KAFKA_SASL_USERNAME": kafka,
            "KAFKA_SASL_PASSWORD_FILE": str(self.file("kafka", kafka)),
            "KAFKA_SSL_CAFILE": str(self.pem.ca),
            "ES_URL_ENDPOINT": self.elasticsearch.endpoint,
            "ES_USER": elastic,
            "ES_PASSWORD_FILE": str(self.file("elastic", elastic)),
            "ES_CA_FILE": str(self.pem.ca),
            "AWS_S3_ENDPOINT_URL": self.s3.endpoint,
            "AWS_S3_ACCESS_KEY_FILE": str(self.file("s3", "access")),
            "AWS_S3_SECRET_KEY_FILE": str(self.file("s3", "secret")),
            "AWS_S3_CA_FILE": str(self.pem.ca),
        }

    def settings(self, kafka: str = ADMIN, elastic: str = "crypto_reader", **texts: str) -> Settings:
        return Settings.from_texts(self.texts(kafka, elastic) | texts)

    def root(self) -> Settings:
        """Of Elasticsearch's superuser, to look behind."""
        texts = self.texts() | {"ES_USER": "elastic", "ES_PASSWORD": self.superuser}
        del texts["ES_PASSWORD_FILE"]
        return Settings.from_texts(texts)

    def new_password(self, name: str) -> str:
        """One that can be found wherever it is told."""
        word = f"{name}-{secrets.token_hex(8)}"
        self._made[word] = name
        return word

    def spelled(self) -> set[str]:
        """Every password and key that ever was one, in all the forms in which it travels."""
        users = {*self.kafka_passwords, *self.elastic_passwords, "elastic", self.access_key}
        return {form for word in self._made for form in spellings(word, users)}

    def grant(self) -> None:
        """The ACLs of the documentation."""
        settings = self.settings().kafka
        admin = kafka_client.admin(settings)
        try:
            result = admin.create_acls(rights.acls(settings.topic, settings.group_id, self.folder))
            assert result["failed"] == []
        finally:
            admin.close()

    def set_up(self) -> list[str]:
        """What `cryptoproxy setup` does, with no more rights than it has."""
        settings = self.settings("crypto_setup", "crypto_setup")
        admin = kafka_client.admin(settings.kafka)
        try:
            words = list(topics.set_up(admin, settings.kafka))
        finally:
            admin.close()
        client = elastic.client(settings.elasticsearch)
        try:
            words += template.set_up(client, settings.elasticsearch, now=iso(SystemClock().now_ms()))
        finally:
            client.close()
        Store(settings.s3).make_bucket()
        return words


@pytest.fixture(scope="package")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Up, set up by the set-up's own users, for all tests here."""
    folder = tmp_path_factory.mktemp("doors")
    made = Doors(folder)
    with Cluster(folder / "engines", (made.kafka, made.elasticsearch, made.s3)):
        made.grant()
        made.set_up()
        yield made
        if made.s3.running:
            made.s3.stop()
