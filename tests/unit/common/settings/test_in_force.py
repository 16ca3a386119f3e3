"""What is wrong between settings that are each right."""

from __future__ import annotations

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import SettingsError

SASL = {"KAFKA_SASL_USERNAME": "poller", "KAFKA_SASL_PASSWORD": "open-sesame"}
KEYS = {"AWS_S3_ACCESS_KEY": "open-sesame", "AWS_S3_SECRET_KEY": "open-sesame"}
DEMO = {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "open-sesame"}
REMOTE = {"KAFKA_BROKERS_HOST_PORT": "localhost:9092,kafka-1:9092"}
WRONG = [
    ({"AWS_S3_ACCESS_KEY": "x"}, "AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY"),
    ({"AWS_S3_SECRET_KEY": "x"}, "AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY"),
    ({"ES_USER": "x"}, "ES_USER and ES_PASSWORD"),
    ({"ES_PASSWORD": "x"}, "ES_USER and ES_PASSWORD"),
    ({"ES_USER": "x", "ES_PASSWORD": "y", "ES_API_KEY": "z"}, "ES_API_KEY and ES_USER"),
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "x"}, "needs KAFKA_SASL_USERNAME"),
    ({"KAFKA_SASL_PASSWORD": "x"}, "KAFKA_SECURITY_PROTOCOL=PLAINTEXT does not use it"),
    ({"KAFKA_TOPIC_REPLICATION": "2", "KAFKA_TOPIC_MIN_INSYNC": "3"}, "nothing could ever be written"),
    ({"COINGECKO_API_KEY": "x"}, "the plan keyless uses none; set COINGECKO_PLAN=demo or pro"),
    ({"COINGECKO_PLAN": "pro"}, "need a key"),
    ({"KAFKA_SSL_CAFILE": "/nowhere"}, "KAFKA_SSL_CAFILE='/nowhere' is not a file"),
    ({"KAFKA_SSL_CERTFILE": "/nowhere"}, "KAFKA_SSL_CERTFILE='/nowhere' is not a file"),
    ({"KAFKA_SSL_KEYFILE": "/nowhere"}, "KAFKA_SSL_KEYFILE='/nowhere' is not a file"),
    ({"ES_CA_FILE": "/nowhere"}, "ES_CA_FILE='/nowhere' is not a file"),
    ({"AWS_S3_CA_FILE": "/nowhere"}, "AWS_S3_CA_FILE='/nowhere' is not a file"),
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL, **REMOTE}, "unencrypted to kafka-1:9092"),
    ({"ES_URL_ENDPOINT": "http://es:9200", "ES_USER": "x", "ES_PASSWORD": "y"}, "password unencrypted"),
    ({"ES_URL_ENDPOINT": "http://es:9200", "ES_API_KEY": "x"}, "password unencrypted"),
    ({"ES_URL_ENDPOINT": "http://127.0.0.1.es.example:9200", "ES_API_KEY": "x"}, "password unencrypted"),
    ({"AWS_S3_ENDPOINT_URL": "http://minio:9000", **KEYS}, "AWS_S3_ENDPOINT_URL=http://minio:9000 would carry"),
    ({"COINGECKO_BASE_URL": "http://cache:8080", **DEMO}, "COINGECKO_BASE_URL=http://cache:8080 would carry the key"),
    ({"OUTBOX_S3_MAX_SIZE": "5GiB"}, "OUTBOX_S3_MAX_SIZE is larger than OUTBOX_MAX_SIZE"),
    ({"OUTBOX_KAFKA_MAX_SIZE": "2MiB", "OUTBOX_MAX_SIZE": "1MiB"}, "OUTBOX_KAFKA_MAX_SIZE is larger"),
]
RIGHT = [
    {},
    {"AWS_S3_ACCESS_KEY": "x", "AWS_S3_SECRET_KEY": "y"},
    {"ES_USER": "x", "ES_PASSWORD": "y"},
    {"ES_URL_ENDPOINT": "https://es:9200", "ES_API_KEY": "x"},
    {"ES_URL_ENDPOINT": "http://[::1]:9200", "ES_API_KEY": "x"},
    {"ES_URL_ENDPOINT": "http://127.0.1.1:9200", "ES_API_KEY": "x"},
    {"ES_URL_ENDPOINT": "http://es:9200"},
    {"AWS_S3_ENDPOINT_URL": "http://localhost:9000", **KEYS},
    {"AWS_S3_ENDPOINT_URL": "https://minio:9000", **KEYS},
    {"AWS_S3_ENDPOINT_URL": "http://minio:9000", **KEYS, "ALLOW_PLAINTEXT_PASSWORDS": "true"},
    {"COINGECKO_BASE_URL": "http://127.0.0.1:8080", **DEMO},
    {"COINGECKO_BASE_URL": "http://cache:8080"},
    {"ES_URL_ENDPOINT": "http://es:9200", "ES_API_KEY": "x", "ALLOW_PLAINTEXT_PASSWORDS": "true"},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **SASL, **REMOTE},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL},
    {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL, **REMOTE, "ALLOW_PLAINTEXT_PASSWORDS": "yes"},
    {"KAFKA_TOPIC_REPLICATION": "3", "KAFKA_TOPIC_MIN_INSYNC": "2"},
    {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "x"},
    {"OUTBOX_S3_MAX_SIZE": "4GiB", "OUTBOX_KAFKA_MAX_SIZE": "1GiB"},
]


@pytest.mark.parametrize(("texts", "said"), WRONG)
def test_a_contradiction_is_said_in_one_line_without_the_secret(texts: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_texts(texts)
    (fault,) = caught.value.faults
    assert said in fault
    assert "open-sesame" not in fault


@pytest.mark.parametrize("texts", RIGHT)
def test_what_fits_together_is_taken(texts: dict[str, str]) -> None:
    Settings.from_texts(texts)
