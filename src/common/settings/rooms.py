"""Settings of the smaller processes beside poller, indexer and door; and, among those of Kafka, of what is live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting
from cryptoproxy.datasets.contracts.candle import STEPS

KEPT_SECONDS = 600
"""What is older on the topic of :class:`Live` is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """The process that tells Prometheus how Kafka itself is."""

    port: int = setting(
        "PYTHON_BROKERS_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8005",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )


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
    port: int = setting(
        "PYTHON_MODELS_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8004",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )

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
    port: int = setting(
        "PYTHON_WATCH_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8003",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )
    link: str | None = setting(
        "WATCH_LINK",
        kinds.url(),
        "",
        "Address that messages link to: the dashboard Alerts of your Kibana, or a page.",
        example="https://kibana.example/app/dashboards",
    )
    pictures: bool = setting(
        "WATCH_PICTURES",
        kinds.boolean(),
        "true",
        "Whether Discord and channels of Apprise get the price of the last hours as a picture; Elasticsearch is asked "
        "for it, and without its answer a message goes without.",
    )


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
        kinds.matching(
            r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,200}",
            "topic name",
            "is not a topic name (1 to 200 of A-Z, a-z, 0-9, '.', '_', '-')",
        ),
        "crypto.live",
        "Where: kept for ten minutes, promises nothing. Made by `cryptoproxy setup` where LIVE_SYMBOLS is set.",
    )
