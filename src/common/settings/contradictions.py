"""What is wrong between settings that are each right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from common.settings.catalogue import Elasticsearch, Kafka, Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def contradictions(settings: Settings, *, but_of: Iterable[str] = ()) -> list[str]:
    """One line for each contradiction, as ``SettingsError`` shows them.

    Args:
        but_of: faults already found. A setting that is wrong by itself contradicts nothing yet.
    """
    wrong = {fault.partition("=")[0] for fault in but_of}
    return [line for line in _lines(settings) if wrong.isdisjoint(re.findall(r"[A-Z0-9_]+", line))]


def _lines(settings: Settings) -> list[str]:
    kafka, elastic, s3, upstreams = settings.kafka, settings.elasticsearch, settings.s3, settings.upstreams
    faults = []
    if bool(s3.access_key) != bool(s3.secret_key):
        faults.append("AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY belong together; set both or neither")
    if bool(elastic.user) != bool(elastic.password):
        faults.append("ES_USER and ES_PASSWORD belong together; set both or neither")
    if elastic.api_key and elastic.user:
        faults.append("ES_API_KEY and ES_USER are both set; keep one of them")
    if kafka.security_protocol.startswith("SASL") and not (kafka.sasl_username and kafka.sasl_password):
        faults.append(
            f"KAFKA_SECURITY_PROTOCOL={kafka.security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
        )
    if not kafka.security_protocol.startswith("SASL") and kafka.sasl_password:
        faults.append(
            f"KAFKA_SASL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL={kafka.security_protocol} does not use it. "
            "Example: KAFKA_SECURITY_PROTOCOL=SASL_SSL"
        )
    if kafka.min_insync > kafka.replication:
        faults.append("KAFKA_TOPIC_MIN_INSYNC is larger than KAFKA_TOPIC_REPLICATION, so nothing could ever be written")
    if (upstreams.coingecko_plan == "keyless") == bool(upstreams.coingecko_api_key):
        faults.append("COINGECKO_API_KEY needs COINGECKO_PLAN=demo or pro, and these need a key")
    for name, file in (
        ("KAFKA_SSL_CAFILE", kafka.ssl_cafile),
        ("KAFKA_SSL_CERTFILE", kafka.ssl_certfile),
        ("KAFKA_SSL_KEYFILE", kafka.ssl_keyfile),
        ("ES_CA_FILE", elastic.ca_file),
        ("AWS_S3_CA_FILE", s3.ca_file),
    ):
        if file is not None and not file.is_file():
            faults.append(f"{name}={str(file)!r} is not a file")
    if not settings.service.allow_plaintext_passwords:
        faults.extend(_passwords_in_the_clear(kafka, elastic))
    return faults


def _passwords_in_the_clear(kafka: Kafka, elastic: Elasticsearch) -> list[str]:
    mend = "use an encrypted connection, or set ALLOW_PLAINTEXT_PASSWORDS=true if the network is trusted"
    faults = []
    address = urlsplit(elastic.url)
    if address.scheme == "http" and (elastic.password or elastic.api_key) and address.hostname not in LOOPBACK:
        faults.append(f"ES_URL_ENDPOINT={elastic.url} would carry a password unencrypted; {mend}")
    remote = [broker for broker in kafka.brokers if broker.rsplit(":", 1)[0].strip("[]") not in LOOPBACK]
    if kafka.security_protocol == "SASL_PLAINTEXT" and remote:
        faults.append(
            f"KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT would carry a password unencrypted to {remote[0]}; {mend}"
        )
    return faults
