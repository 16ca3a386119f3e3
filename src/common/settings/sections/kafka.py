"""Where the topics are, and how to get in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, Part

KEPT_SECONDS = 600
"""What is older on the topic of :class:`Live` is of no use."""

_topic = kinds.matching(
    r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,200}",
    "topic name",
    "is not a topic name (1 to 200 of A-Z, a-z, 0-9, '.', '_', '-')",
)


def other_datasets() -> list[str]:
    """Datasets whose names stand in a mapping; tickers have settings of their own."""
    return [name for name in DATASETS if name != TICKER.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Frames of streams as they came, for the door."""

    live_symbols: tuple[str, ...] | None = setting(
        "LIVE_SYMBOLS",
        kinds.names(),
        "",
        "Symbols whose changes of books and open candles are sent as they come, where their feeds are streamed.",
        example="BTCUSDT,ETHUSDT",
    )
    live_topic: str = setting(
        "KAFKA_LIVE_TOPIC",
        _topic,
        "crypto.live",
        "Where: kept for ten minutes, promises nothing. Made by `cryptoproxy setup` where LIVE_SYMBOLS is set.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka(Live):
    """Where the topic is, and how to get in."""

    brokers: tuple[str, ...] = setting(
        "KAFKA_BROKERS_HOST_PORT",
        kinds.host_ports(),
        "localhost:9092",
        "Brokers to start from.",
        example="kafka-1:9092,kafka-2:9092",
    )
    topic: str = setting(
        "KAFKA_TOPIC",
        _topic,
        "crypto-data",
        "The topic of tickers. Dead letters, lease and state of all datasets are `<topic>.dlq`, `.lease`, `.state`; "
        "what watch knows is `.watch`.",
    )
    topics: Mapping[str, str] | None = setting(
        "KAFKA_TOPICS",
        kinds.mapping(other_datasets, _topic),
        "",
        "Topics of other datasets, where they are not those of the contract; of one with several what they begin with.",
        example="candle=team-a.ohlcv",
    )
    answers_topic: str = setting(
        "KAFKA_ANSWERS_TOPIC",
        _topic,
        "crypto.answers",
        "Where the upstreams' newest answers to the polls' calls stand as they came, for the door; `off`: nowhere.",
    )
    client_id: str = setting(
        "KAFKA_PRODUCER_CLIENT_ID",
        kinds.text(),
        "cryptoproxy-producer",
        "How the poller names itself to the brokers.",
    )
    group_id: str = setting(
        "KAFKA_CONSUMER_GROUP_ID",
        kinds.text(),
        "cryptoproxy-indexer",
        "The indexers' consumer group of tickers; of another dataset with a dot and its name behind.",
    )
    instance_id: str | None = setting(
        "KAFKA_GROUP_INSTANCE_ID",
        kinds.matching(r"[A-Za-z0-9._-]{1,200}", "name", "must be 1 to 200 of A-Z, a-z, 0-9, '.', '_', '-'"),
        "",
        "How an indexer is known to its group across a kill and a restart; by itself host name and health port.",
        example="indexer-1",
    )
    offset_reset: str = setting(
        "KAFKA_OFFSET_RESET",
        kinds.choice("earliest", "latest"),
        "earliest",
        "Where a group without any commit begins; what `latest` passes over is said and counted. Offsets out of range "
        "always go on from the earliest.",
    )
    security_protocol: str = setting(
        "KAFKA_SECURITY_PROTOCOL",
        kinds.choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "PLAINTEXT",
        "How to talk to the brokers.",
        example="SASL_SSL",
    )
    sasl_mechanism: str = setting(
        "KAFKA_SASL_MECHANISM",
        kinds.choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        "SCRAM-SHA-512",
        "How to log in, with a SASL protocol.",
    )
    sasl_username: str | None = setting(
        "KAFKA_SASL_USERNAME", kinds.text(), "", "User, with a SASL protocol.", example="cryptoproxy-poller"
    )
    sasl_password: Secret = secret("KAFKA_SASL_PASSWORD", "Password, with a SASL protocol.")
    ssl_cafile: Path | None = setting(
        "KAFKA_SSL_CAFILE",
        kinds.path(),
        "",
        "CA that signed the brokers' certificates, PEM; the system's own without.",
        example="/etc/ssl/kafka-ca.pem",
    )
    ssl_certfile: Path | None = setting(
        "KAFKA_SSL_CERTFILE",
        kinds.path(),
        "",
        "Client certificate, PEM, where brokers ask for one.",
        example="/etc/ssl/client.pem",
    )
    ssl_keyfile: Path | None = setting(
        "KAFKA_SSL_KEYFILE",
        kinds.path(),
        "",
        "Key of the client certificate, PEM.",
        example="/etc/ssl/client.key",
    )
    partitions: int = setting(
        "KAFKA_TOPIC_PARTITIONS",
        kinds.whole(1, 1000),
        "3",
        "For `cryptoproxy setup`: partitions of a topic; the most indexers that can share the work. A dataset with "
        "several topics has one in each.",
    )
    replication: int = setting(
        "KAFKA_TOPIC_REPLICATION",
        kinds.whole(1, 9),
        "1",
        "For `cryptoproxy setup`: copies of each partition; 3 in production.",
        example="3",
    )
    min_insync: int = setting(
        "KAFKA_TOPIC_MIN_INSYNC",
        kinds.whole(1, 9),
        "1",
        "For `cryptoproxy setup`: copies that must have a record before it counts as sent; 2 with 3 copies.",
        example="2",
    )
    retention: float = setting(
        "KAFKA_TOPIC_RETENTION",
        kinds.duration(),
        "7d",
        "For `cryptoproxy setup`: how long the topic keeps records. The lake keeps them for ever.",
    )

    def topic_of(self, dataset: Dataset[Any], part: str = "") -> str:
        """Where records of this part are."""
        base = self.topic if dataset.name == TICKER.name else (self.topics or {}).get(dataset.name, dataset.topic)
        return f"{base}.{part}" if part else base

    def topics_of(self, dataset: Dataset[Any]) -> dict[str, Part]:
        """All topics of a dataset, and the part that each has."""
        return {self.topic_of(dataset, name): part for name, part in dataset.parts.items()}

    def group_of(self, dataset: Dataset[Any]) -> str:
        """Its indexers' consumer group: one each, so that a rebalance of one dataset holds up no other."""
        return self.group_id if dataset.name == TICKER.name else f"{self.group_id}.{dataset.name}"

    @property
    def keeps_answers(self) -> bool:
        """Whether there is a topic of answers."""
        return self.answers_topic != "off"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic}.dlq"

    @property
    def lease_topic(self) -> str:
        return f"{self.topic}.lease"

    @property
    def state_topic(self) -> str:
        return f"{self.topic}.state"

    @property
    def watch_topic(self) -> str:
        return f"{self.topic}.watch"
