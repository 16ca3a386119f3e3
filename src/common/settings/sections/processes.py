"""The settings of each process, of what all of them share, and of the engines that may run beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting
from cryptoproxy.datasets.contracts.candle import STEPS


def _health_port(name: str, default: str) -> Any:
    return setting(name, kinds.port(), default, "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """The producing process."""

    port: int = _health_port("PYTHON_PRODUCER_SERVER_PORT", "8000")
    outbox_dir: Path = setting(
        "OUTBOX_DIR",
        kinds.path(),
        ".run/outbox",
        "Folder where polls wait until Kafka and S3 have them. On a disk that survives; one per process.",
        example="/var/lib/cryptoproxy/outbox",
    )
    outbox_max_size: int = setting(
        "OUTBOX_MAX_SIZE", kinds.size(), "4GiB", "What the outbox may hold; when it is full, polling stops."
    )
    outbox_kafka_max_size: int | None = setting(
        "OUTBOX_KAFKA_MAX_SIZE",
        kinds.size(),
        "",
        "What of it may wait for Kafka; beyond, polls are kept for S3 alone. By default seven eighths of "
        "OUTBOX_MAX_SIZE (below 1MiB all of it).",
        example="3GiB",
    )
    outbox_s3_max_size: int | None = setting(
        "OUTBOX_S3_MAX_SIZE",
        kinds.size(),
        "",
        "What of it may wait for S3; beyond, polls are kept for Kafka alone, and the lake lacks them. By default as "
        "for Kafka.",
        example="3GiB",
    )
    statistics_every: int = setting(
        "STATISTICS_EVERY", kinds.whole(1, 1_000_000), "60", "Polls between two lines of statistics."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """The indexing process."""

    port: int = _health_port("PYTHON_CONSUMER_SERVER_PORT", "8001")
    bulk_records: int = setting(
        "BULK_MAX_RECORDS", kinds.whole(1, 100_000), "5000", "Most records in one bulk request."
    )
    bulk_bytes: int = setting(
        "BULK_MAX_SIZE", kinds.size(), "4MiB", "Most bytes in one bulk request, before compression."
    )
    bulk_in_flight: int = setting(
        "BULK_IN_FLIGHT", kinds.whole(1, 64), "2", "Bulk requests under way at once; one more batch is read ahead."
    )
    bulk_compress: bool = setting(
        "BULK_COMPRESS",
        kinds.boolean(),
        "false",
        "Compress bulk requests: a sixth of the bytes, for a network that is slow or paid by the byte.",
    )
    bulk_timeout: float = setting(
        "BULK_TIMEOUT", kinds.seconds(1, 600), "60", "Longest wait for the answer to a bulk request."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """The process that tells Prometheus how Kafka itself is."""

    port: int = _health_port("PYTHON_BROKERS_SERVER_PORT", "8005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The process that asks a model of each bar that is over."""

    name: str = setting(
        "MODELS_PREDICT",
        kinds.matching(
            rf"[a-z0-9][a-z0-9-]{{0,58}}-({'|'.join(STEPS)})",
            "model",
            "must end with the length of its bars, as direction-1h",
        ),
        "direction-1h",
        "Name of the model in the registry; what of it is live speaks (docs/models.md).",
    )
    port: int = _health_port("PYTHON_MODELS_SERVER_PORT", "8004")

    @property
    def interval(self) -> str:
        """Of its bars."""
        return self.name.rpartition("-")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The process that applies rules and tells people."""

    rules: Path = setting(
        "WATCH_RULES",
        kinds.path(),
        "watch.yaml",
        "File of rules and channels (docs/watch.md); looked at each second, so a change needs no restart.",
        example="/etc/cryptoproxy/watch.yaml",
    )
    port: int = _health_port("PYTHON_WATCH_SERVER_PORT", "8003")
    page: str | None = setting(
        "WATCH_PAGE",
        kinds.url(),
        "",
        "Where people find `cryptoproxy page`: messages lead to the asset there.",
        example="https://page.example",
    )
    kibana: str | None = setting(
        "WATCH_KIBANA",
        kinds.url(),
        "",
        "Where people find Kibana, with its space: messages lead to its dashboard Alerts, at their time.",
        example="https://kibana.example/s/team",
    )
    pictures: bool = setting(
        "WATCH_PICTURES",
        kinds.boolean(),
        "true",
        "Whether Discord and channels of Apprise get the price of the last hours as a picture; Elasticsearch is asked "
        "for it, and without its answer a message goes without.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What both processes share."""

    host: str = setting(
        "HEALTH_HOST",
        kinds.text(),
        "127.0.0.1",
        "Address that the health ports listen on.",
        example="10.0.0.5",
    )
    watchdog: float = setting(
        "WATCHDOG_TIMEOUT",
        kinds.seconds(5, 3600),
        "120",
        "A main loop that has not turned for so long ends the process.",
    )
    log_level: str = setting("LOG_LEVEL", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "What is logged.")
    log_file: Path | None = setting(
        "LOG_FILE", kinds.path(), "", "Log to this file as well.", example="/var/log/cryptoproxy.log"
    )
    log_format: str = setting(
        "LOG_FORMAT",
        kinds.choice("text", "json"),
        "text",
        "Lines for people, or one JSON object a line.",
        example="json",
    )
    allow_plaintext_passwords: bool = setting(
        "ALLOW_PLAINTEXT_PASSWORDS",
        kinds.boolean(),
        "false",
        "Allows passwords and keys over an unencrypted connection to another host than this one.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The embedded engines of `cryptoproxy up`."""

    folder: Path = setting("ENGINES_DIR", kinds.path(), ".run/engines", "Data, logs and pid files.")
    kafka_port: int | None = setting(
        "ENGINES_KAFKA_PORT",
        kinds.port(),
        "",
        "Port of Kafka. 0: a free one. Without: the last one, at first 9092.",
        example="9092",
    )
    elasticsearch_port: int | None = setting(
        "ENGINES_ES_PORT", kinds.port(), "", "Port of Elasticsearch, likewise; at first 9200.", example="9200"
    )
    s3_port: int | None = setting(
        "ENGINES_S3_PORT", kinds.port(), "", "Port of the S3 API, likewise; at first 9000.", example="9000"
    )
    kafka_heap_mb: int = setting("ENGINES_KAFKA_HEAP_MB", kinds.whole(128, 512), "512", "Heap of Kafka, MB.")
    elasticsearch_heap_mb: int = setting(
        "ENGINES_ES_HEAP_MB", kinds.whole(256, 31_744), "1024", "Heap of Elasticsearch, MB."
    )
    s3_heap_mb: int = setting("ENGINES_S3_HEAP_MB", kinds.whole(64, 256), "256", "Heap of the S3 API, MB.")
