"""The engines with TLS and users. Certificates come in from outside; they must be valid for 127.0.0.1.

Kafka      SASL_SSL with PLAIN and SCRAM users, or SSL with client certificates, and an authorizer that denies what no
           ACL allows
Elasticsearch   https, users of the file realm with roles of ours, and the built-in superuser ``elastic``
S3         https
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.engines.elasticsearch import Elasticsearch, probe_health
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.kafka import Kafka, probe_brokers
from cryptoproxy.engines.ports import HOST
from cryptoproxy.engines.s3 import S3, probe_s3

SCRAM = "SCRAM-SHA-512"
PLAIN = "PLAIN"
HASH_ROUNDS = 10_000


@dataclass(frozen=True)
class Pem:
    """PEM files. Kafka takes the key as PKCS#8 only (``BEGIN PRIVATE KEY``)."""

    certificate: Path
    key: Path
    ca: Path


def kafka(
    folder: Path,
    *,
    port: int,
    controller_port: int,
    pem: Pem,
    users: Mapping[str, str],
    admin: str,
    mechanisms: Sequence[str] = (SCRAM,),
    ssl_port: int | None = None,
    heap_mb: int = 512,
    options: Options | None = None,
) -> Kafka:
    """A broker with these users (name: password): ``admin`` may do everything, the others what ACLs allow.

    Args:
        mechanisms: by which they may log in; the brokers themselves take the first one.
        ssl_port: of a second listener, where a certificate of the same CA is wanted and its common name is the user.
    """
    client: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": mechanisms[0],
        "sasl_plain_username": admin,
        "sasl_plain_password": users[admin],
        "ssl_cafile": str(pem.ca),
    }
    return Kafka(
        folder,
        port=port,
        controller_port=controller_port,
        heap_mb=heap_mb,
        protocol="SASL_SSL",
        files={
            "server.pem": pem.key.read_bytes() + pem.certificate.read_bytes(),
            "ca.pem": pem.ca.read_bytes(),
        },
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "config/server.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "config/ca.pem",
            "sasl.enabled.mechanisms": ",".join(mechanisms),
            "sasl.mechanism.inter.broker.protocol": mechanisms[0],
            **{
                f"listener.name.sasl_ssl.{mechanism.lower()}.sasl.jaas.config": _login(mechanism, users, admin)
                for mechanism in mechanisms
            },
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's own listener is plain, loopback only, and knows no names.
            "super.users": f"User:{admin};User:ANONYMOUS",
            **(_by_certificate(port, controller_port, ssl_port) if ssl_port is not None else {}),
        },
        format_arguments=[
            word
            for mechanism in mechanisms
            if mechanism != PLAIN
            for name, password in users.items()
            for word in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ],
        probe=lambda: probe_brokers(f"{HOST}:{port}", **client),
        options=options,
    )


def _login(mechanism: str, users: Mapping[str, str], admin: str) -> str:
    """Of the broker itself; by PLAIN also all that it knows of the others."""
    own = f'required username="{admin}" password="{users[admin]}"'
    if mechanism != PLAIN:
        return f"org.apache.kafka.common.security.scram.ScramLoginModule {own};"
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    return f"org.apache.kafka.common.security.plain.PlainLoginModule {own} {known};"


def _by_certificate(port: int, controller_port: int, ssl_port: int) -> dict[str, str]:
    listeners = f"SASL_SSL://{HOST}:{port},SSL://{HOST}:{ssl_port}"
    return {
        "listeners": f"{listeners},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.ssl.ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
    }


@dataclass(frozen=True)
class ElasticsearchUser:
    password: str
    roles: Sequence[str]


def elasticsearch(
    folder: Path,
    *,
    port: int,
    transport_port: int,
    pem: Pem,
    password: str,
    users: Mapping[str, ElasticsearchUser] | None = None,
    roles_yml: str = "",
    heap_mb: int = 1024,
    settings: Mapping[str, Any] | None = None,
    options: Options | None = None,
) -> Elasticsearch:
    """A node whose superuser ``elastic`` has this password; ``roles_yml`` is the text of a roles.yml."""
    members: dict[str, list[str]] = {}
    for name, user in (users or {}).items():
        for role in user.roles:
            members.setdefault(role, []).append(name)
    endpoint = f"https://{HOST}:{port}"
    context = ssl.create_default_context(cafile=pem.ca)
    return Elasticsearch(
        folder,
        port=port,
        transport_port=transport_port,
        heap_mb=heap_mb,
        scheme="https",
        files={
            "server.crt": pem.certificate.read_bytes(),
            "server.key": pem.key.read_bytes(),
            "ca.crt": pem.ca.read_bytes(),
            "users": "".join(f"{name}:{hashed(user.password)}\n" for name, user in (users or {}).items()),
            "users_roles": "".join(f"{role}:{','.join(names)}\n" for role, names in members.items()),
            "roles.yml": roles_yml,
        },
        secrets={"bootstrap.password": password},
        settings={
            "xpack.security.enabled": True,
            "xpack.security.autoconfiguration.enabled": False,
            **_tls("http"),
            **_tls("transport"),
            **(settings or {}),
        },
        probe=lambda: probe_health(endpoint, headers=basic("elastic", password), context=context),
        options=options,
    )


def s3(
    folder: Path,
    *,
    port: int,
    access_key: str,
    secret_key: str,
    pkcs12: bytes,
    pkcs12_password: str,
    ca: Path,
    heap_mb: int = 256,
    options: Options | None = None,
) -> S3:
    """Over https; the server takes its key and certificate as PKCS#12."""
    return S3(
        folder,
        port=port,
        access_key=access_key,
        secret_key=secret_key,
        heap_mb=heap_mb,
        scheme="https",
        files={"server.p12": pkcs12},
        properties={"s3proxy.keystore-path": "config/server.p12", "s3proxy.keystore-password": pkcs12_password},
        probe=lambda: probe_s3(f"https://{HOST}:{port}", access_key, secret_key, ca=ca),
        options=options,
    )


def basic(name: str, password: str) -> dict[str, str]:
    """The header that says who asks."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def hashed(password: str) -> str:
    """As the file realm's ``users`` file wants it: PBKDF2 with SHA-512, salt and result of 32 bytes."""
    salt = secrets.token_bytes(32)
    result = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, dklen=32)
    return f"{{PBKDF2}}{HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(result).decode()}"


def _tls(layer: str) -> dict[str, Any]:
    prefix = f"xpack.security.{layer}.ssl"
    return {
        f"{prefix}.enabled": True,
        f"{prefix}.certificate": "server.crt",
        f"{prefix}.key": "server.key",
        f"{prefix}.certificate_authorities": ["ca.crt"],
    }
