"""All settings in force: read, checked one by one, then against each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings.catalogue import S3, SECTIONS, Elasticsearch, Kafka, Sections, Upstreams
from cryptoproxy.common.settings.loading import load_section, read_environment
from cryptoproxy.common.settings.secret import host_of, in_the_clear, is_loopback
from cryptoproxy.common.settings.sections import asking, page, serve
from cryptoproxy.datasets import DATASETS, TICKER
from cryptoproxy.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Sections):
    """Built by :meth:`load`."""

    @classmethod
    def load(
        cls, env_file: Path | None = Path(".env"), connection_file: Path | None = None, *, home: Path | None = None
    ) -> Settings:
        """Reads the environment over ``env_file`` over the embedded engines' ``connection_file``; relative paths begin
        at ``home``.

        Raises:
            SettingsError: with every fault, one line each.
        """
        return cls.from_texts(read_environment(env_file, connection_file), home=home)

    @classmethod
    def from_texts(cls, texts: dict[str, str], *, home: Path | None = None) -> Settings:
        """The same from given texts by name, as tests and the demo have them."""
        faults: list[str] = []
        loaded = {name: load_section(section, texts, faults, home=home) for name, section in SECTIONS.items()}
        settings = cls(**{name: SECTIONS[name](**values) for name, values in loaded.items()})
        if faults := faults + contradictions(settings, but_of=faults):
            raise SettingsError(faults)
        return settings


def contradictions(settings: Sections, *, but_of: Iterable[str] = ()) -> list[str]:
    """One line for each contradiction, as ``SettingsError`` shows them.

    Args:
        but_of: faults already found. A setting that is wrong by itself contradicts nothing yet.
    """
    wrong = {fault.partition("=")[0] for fault in but_of}
    return [line for line in _lines(settings) if wrong.isdisjoint(re.findall(r"[A-Z0-9_]+", line))]


def _lines(settings: Sections) -> list[str]:
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
    faults.extend(_names_of_datasets(kafka, elastic))
    faults.extend(_plan_and_key(upstreams))
    poller = settings.poller
    for name, room in (
        ("OUTBOX_KAFKA_MAX_SIZE", poller.outbox_kafka_max_size),
        ("OUTBOX_S3_MAX_SIZE", poller.outbox_s3_max_size),
    ):
        if room is not None and room > poller.outbox_max_size:
            faults.append(f"{name} is larger than OUTBOX_MAX_SIZE, which bounds what waits for Kafka and S3 together")
    for name, file in (
        ("KAFKA_SSL_CAFILE", kafka.ssl_cafile),
        ("KAFKA_SSL_CERTFILE", kafka.ssl_certfile),
        ("KAFKA_SSL_KEYFILE", kafka.ssl_keyfile),
        ("ES_CA_FILE", elastic.ca_file),
        ("AWS_S3_CA_FILE", s3.ca_file),
    ):
        if file is not None and not file.is_file():
            faults.append(f"{name}={str(file)!r} is not a file")
    faults.extend(asking.faults(settings.asking, plaintext=settings.service.allow_plaintext_passwords))
    faults.extend(page.faults(settings.page, plaintext=settings.service.allow_plaintext_passwords))
    faults.extend(serve.faults(settings.serve, settings.teams, plaintext=settings.service.allow_plaintext_passwords))
    if not settings.service.allow_plaintext_passwords:
        faults.extend(_secrets_in_the_clear(kafka, elastic, s3, upstreams))
    return faults


def _names_of_datasets(kafka: Kafka, elastic: Elasticsearch) -> Iterator[str]:
    """Names that two datasets would share: one would read the other's records, or take its indices for its own."""
    topics = {name: list(kafka.topics_of(dataset)) for name, dataset in DATASETS.items()}
    ours = [kafka.dead_letter_topic, kafka.lease_topic, kafka.state_topic, kafka.answers_topic, kafka.live_topic]
    used = Counter([topic for each in topics.values() for topic in each] + ours)
    for name, each in topics.items():
        if twice := [topic for topic in each if used[topic] > 1]:
            yield f"{_setting(name, 'KAFKA_TOPIC')} gives topic {', '.join(twice)}, which has another use too"
    aliases = {name: elastic.alias_of(dataset) for name, dataset in DATASETS.items() if dataset.alias is not None}
    for name, alias in aliases.items():
        for other, longer in aliases.items():
            if name != other and f"{longer}-".startswith(f"{alias}-") and (alias != longer or name < other):
                yield (
                    f"{_setting(name, 'ES_INDEX')} gives the alias {alias}, so indices of {other} ({longer}-*) "
                    f"would be taken for its own ({alias}-*)"
                )


def _setting(dataset: str, name: str) -> str:
    """Where its name is set, as one would write it."""
    return (
        name if dataset == TICKER.name else f"{'KAFKA_TOPICS' if name == 'KAFKA_TOPIC' else 'ES_INDICES'}={dataset}=…"
    )


def _plan_and_key(upstreams: Upstreams) -> list[str]:
    plan, has_key = upstreams.coingecko_plan, bool(upstreams.coingecko_api_key)
    if plan == "keyless" and has_key:
        return ["COINGECKO_API_KEY is set, and the plan keyless uses none; set COINGECKO_PLAN=demo or pro"]
    if plan != "keyless" and not has_key:
        return [f"COINGECKO_PLAN={plan}: the plans demo and pro need a key; set COINGECKO_API_KEY"]
    return []


def _secrets_in_the_clear(kafka: Kafka, elastic: Elasticsearch, s3: S3, upstreams: Upstreams) -> list[str]:
    mend = "use an encrypted connection, or set ALLOW_PLAINTEXT_PASSWORDS=true if the network is trusted"
    faults = []
    if (elastic.password or elastic.api_key) and in_the_clear(elastic.url):
        faults.append(f"ES_URL_ENDPOINT={elastic.url} would carry a password unencrypted; {mend}")
    if s3.access_key and in_the_clear(s3.endpoint_url):
        faults.append(f"AWS_S3_ENDPOINT_URL={s3.endpoint_url} would carry the lake, signed, unencrypted; {mend}")
    if upstreams.coingecko_api_key and in_the_clear(upstreams.coingecko_base_url):
        faults.append(f"COINGECKO_BASE_URL={upstreams.coingecko_base_url} would carry the key unencrypted; {mend}")
    remote = [broker for broker in kafka.brokers if not is_loopback(host_of(broker))]
    if kafka.security_protocol == "SASL_PLAINTEXT" and remote:
        faults.append(
            f"KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT would carry a password unencrypted to {remote[0]}; {mend}"
        )
    return faults
