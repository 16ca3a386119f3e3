"""The settings. Each has its name, type, default and help here and nowhere else; the docs are made from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.asking import Asking
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.page import Page
from cryptoproxy.common.settings.rooms import Brokers, Live, Models, Watch
from cryptoproxy.common.settings.secret import Secret
from cryptoproxy.common.settings.serve import Serve, Teams
from cryptoproxy.common.settings.streams import Books
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, Part, Period, index_name

SOURCE_NAMES = ("coingecko", "binance", "bybit-linear", "bybit-inverse", "bybit-spot")

_topic = kinds.matching(
    r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,200}",
    "topic name",
    "is not a topic name (1 to 200 of A-Z, a-z, 0-9, '.', '_', '-')",
)
_alias = kinds.matching(
    r"[a-z0-9][a-z0-9._-]{0,199}", "alias name", "must be lower-case letters, digits, '.', '_' or '-'"
)
_port = kinds.whole(0, 65_535)


def _others() -> list[str]:
    """Datasets whose names stand in a mapping; tickers have settings of their own."""
    return [name for name in DATASETS if name != TICKER.name]


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
        kinds.mapping(_others, _topic),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticsearch:
    """Where documents go, and how to get in."""

    url: str = setting(
        "ES_URL_ENDPOINT",
        kinds.url(),
        "http://localhost:9200",
        "Address of Elasticsearch.",
        example="https://es.example:9200",
    )
    user: str | None = setting("ES_USER", kinds.text(), "", "User.", example="cryptoproxy-indexer")
    password: Secret = secret("ES_PASSWORD", "Password of the user.")
    api_key: Secret = secret("ES_API_KEY", "API key (the encoded form), instead of user and password.")
    ca_file: Path | None = setting(
        "ES_CA_FILE",
        kinds.path(),
        "",
        "CA that signed the server's certificate, PEM; the system's own without.",
        example="/etc/ssl/es-ca.pem",
    )
    alias: str = setting(
        "ES_INDEX",
        _alias,
        "crypto-prices",
        "The alias of tickers, which readers ask; indices are `<alias>-YYYY.MM.01`.",
    )
    aliases: Mapping[str, str] | None = setting(
        "ES_INDICES",
        kinds.mapping(_others, _alias),
        "",
        "Aliases of other datasets, where they are not those of the contract.",
        example="candle=team-a-candles",
    )
    period: str = setting(
        "ES_INDEX_PERIOD",
        kinds.choice("month", "day"),
        "month",
        "For `cryptoproxy setup`: what one index of tickers holds. Fixed afterwards; `day` for very high rates.",
    )
    shards: int = setting(
        "ES_NUMBER_OF_SHARDS",
        kinds.whole(1, 100),
        "1",
        "For `cryptoproxy setup`: primary shards of each new index.",
    )
    new_per_hour: int = setting(
        "ES_NEW_INDICES_PER_HOUR",
        kinds.whole(1, 100_000),
        "24",
        "How many indices of older periods records may ask for; those of a replay are not counted.",
    )
    replicas: int = setting(
        "ES_NUMBER_OF_REPLICAS",
        kinds.whole(0, 10),
        "0",
        "For `cryptoproxy setup`: copies of each shard; 1 or more with several nodes.",
        example="1",
    )

    def alias_of(self, dataset: Dataset[Any]) -> str:
        """What readers of a dataset that is indexed ask."""
        if dataset.alias is None:
            raise ValueError(f"{dataset.name} is not indexed")
        return self.alias if dataset.name == TICKER.name else (self.aliases or {}).get(dataset.name, dataset.alias)

    def period_of(self, dataset: Dataset[Any], part: Part) -> Period:
        """What one index holds."""
        if dataset.compacted:
            return Period.EVER
        return Period(self.period) if dataset.name == TICKER.name else part.period

    def index_of(self, dataset: Dataset[Any], part: Part, timestamp: str) -> str:
        """The index of a record of this part and time."""
        return index_name(self.alias_of(dataset), timestamp, self.period_of(dataset, part), part.shelf)

    def first_index(self, dataset: Dataset[Any], now: str) -> str:
        """The one that set-up makes, so that the alias is there: of those of ``now`` the one that holds the most."""
        longest = max(dataset.parts.values(), key=lambda part: list(Period).index(self.period_of(dataset, part)))
        return self.index_of(dataset, longest, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """Where the lake is."""

    bucket: str = setting(
        "AWS_S3_BUCKET",
        kinds.matching(
            r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "bucket name",
            "is not a bucket name (3 to 63 of a-z, 0-9, '.', '-', without two dots together)",
        ),
        "crypto-lake",
        "The lake's bucket.",
    )
    region: str = setting("AWS_S3_REGION", kinds.text(), "us-east-1", "Its region.", example="eu-central-1")
    access_key: Secret = secret("AWS_S3_ACCESS_KEY", "Access key. Without keys, boto3's own credential chain is used.")
    secret_key: Secret = secret("AWS_S3_SECRET_KEY", "Secret key.")
    prefix: str = setting(
        "AWS_S3_FILENAME_PREFIX",
        kinds.matching(
            r"(?!(.*/)?\.{1,2}(/|\Z))[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*",
            "key prefix",
            "must be path parts joined by '/', without one at either end, and none of them '.' or '..'",
        ),
        "crypto",
        "First part of every object's name.",
        example="team-a/crypto",
    )
    endpoint_url: str | None = setting(
        "AWS_S3_ENDPOINT_URL",
        kinds.url(),
        "",
        "Address of another S3 than Amazon's.",
        example="https://minio.example:9000",
    )
    ca_file: Path | None = setting(
        "AWS_S3_CA_FILE",
        kinds.path(),
        "",
        "CA that signed its certificate, PEM; the system's own without.",
        example="/etc/ssl/s3-ca.pem",
    )
    object_seconds: int = setting(
        "AWS_S3_OBJECT_SECONDS",
        kinds.part_of_an_hour(),
        "60",
        "Time that one object holds where the interval is shorter. Longer intervals: one object per poll.",
    )
    compact_at: str | None = setting(
        "LAKE_COMPACT_AT",
        kinds.matching(r"([01]\d|2[0-3]):[0-5]\d", "time of day, UTC", "is not a time of day like 02:30"),
        "",
        "When the active poller puts what is over into the lake's table; never without.",
        example="02:30",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams(Books):
    """What is asked for, how often, and how much of it is allowed."""

    sources: tuple[str, ...] = setting(
        "SOURCES",
        kinds.names(lambda: SOURCE_NAMES),
        "coingecko",
        f"What to poll: {', '.join(f'`{name}`' for name in SOURCE_NAMES)} are their tickers; another dataset of theirs "
        "stands behind a dot (`binance.candle-1m`); `binance.trade`, `binance.book` and what ends in `@stream` come by "
        "stream. A wrong name lists all that there are.",
        example="coingecko,binance",
    )
    interval: float = setting(
        "KAFKA_PRODUCER_BATCH_INTERVAL",
        kinds.interval(),
        "60",
        "Seconds between polls: the default of each source's own interval.",
    )
    coingecko_interval: float | None = setting(
        "COINGECKO_INTERVAL", kinds.interval(), "", "Seconds between polls of CoinGecko.", example="60"
    )
    coingecko_base_url: str | None = setting(
        "COINGECKO_BASE_URL",
        kinds.url(),
        "",
        "Another address than the plan's own.",
        example="https://api.coingecko.com/api/v3",
    )
    coingecko_plan: str = setting(
        "COINGECKO_PLAN",
        kinds.choice("keyless", "demo", "pro"),
        "keyless",
        "Decides address, key header and default budget.",
    )
    coingecko_api_key: Secret = secret("COINGECKO_API_KEY", "Key of the demo or pro plan.")
    coingecko_top_n: int = setting(
        "COINGECKO_TOP_N",
        kinds.whole(1, 10_000),
        "50",
        "How many coins, by market cap; more than 250 take further calls.",
        example="250",
    )
    coingecko_ids: tuple[str, ...] | None = setting(
        "COINGECKO_IDS", kinds.names(), "", "These coins instead of the top.", example="bitcoin,ethereum"
    )
    coingecko_category: str | None = setting(
        "COINGECKO_CATEGORY",
        kinds.matching(
            r"[a-z0-9][a-z0-9-]{0,99}", "category", "must be a category's id: lower-case letters, digits, -"
        ),
        "",
        "The top of this category instead of the whole market.",
        example="decentralized-finance-defi",
    )
    coingecko_include_rehypothecated: bool = setting(
        "COINGECKO_INCLUDE_REHYPOTHECATED",
        kinds.boolean(),
        "false",
        "Coins that stand for others as well, WETH and stETH among them: CoinGecko leaves them out of the top.",
        example="true",
    )
    coingecko_candle_ids: tuple[str, ...] | None = setting(
        "COINGECKO_CANDLE_IDS",
        kinds.names(),
        "",
        "Coins whose candles to poll, a call for each; by default those of COINGECKO_IDS.",
        example="bitcoin",
    )
    coingecko_quote: str = setting(
        "COINGECKO_QUOTE",
        kinds.matching(r"[a-z]{2,10}", "currency", "must be lower-case letters"),
        "usd",
        "Currency of the prices.",
        example="eur",
    )
    coingecko_calls_per_minute: int | None = setting(
        "COINGECKO_CALLS_PER_MINUTE",
        kinds.whole(0, 10_000),
        "",
        "Calls allowed per minute; by plan 5, 30 or 500. 0: no limit.",
        example="30",
    )
    coingecko_calls_per_month: int | None = setting(
        "COINGECKO_CALLS_PER_MONTH",
        kinds.whole(0, 1_000_000_000),
        "",
        "Calls allowed per calendar month; by plan none, 10000 or 500000. 0: no limit.",
        example="10000",
    )
    binance_interval: float = setting("BINANCE_INTERVAL", kinds.interval(), "1", "Seconds between polls of Binance.")
    binance_base_url: str = setting("BINANCE_BASE_URL", kinds.url(), "https://api.binance.com", "Address of Binance.")
    binance_symbols: tuple[str, ...] = setting(
        "BINANCE_SYMBOLS",
        kinds.names(label="list, or `*` for the whole market"),
        "BTCUSDT,ETHUSDT",
        "Pairs to ask for.",
        example="*",
    )
    binance_candle_symbols: tuple[str, ...] | None = setting(
        "BINANCE_CANDLE_SYMBOLS",
        kinds.names(),
        "",
        "Pairs whose candles to poll, a call for each; by default those of BINANCE_SYMBOLS, where they are named.",
        example="BTCUSDT",
    )
    binance_weight_per_minute: int = setting(
        "BINANCE_WEIGHT_PER_MINUTE",
        kinds.whole(0, 1_000_000),
        "6000",
        "Weight allowed per minute and address; slows down above 90 %. 0: no limit.",
    )
    bybit_interval: float | None = setting(
        "BYBIT_INTERVAL", kinds.interval(), "", "Seconds between polls of each Bybit market.", example="10"
    )
    bybit_base_url: str = setting("BYBIT_BASE_URL", kinds.url(), "https://api.bybit.com", "Address of Bybit.")
    bybit_symbols: tuple[str, ...] = setting(
        "BYBIT_SYMBOLS",
        kinds.names(label="list, or `*` for the whole market"),
        "*",
        "Symbols to keep.",
        example="BTCUSDT,ETHUSDT",
    )
    bybit_candle_symbols: tuple[str, ...] | None = setting(
        "BYBIT_CANDLE_SYMBOLS",
        kinds.names(),
        "",
        "Symbols whose candles to poll, a call for each; by default those of BYBIT_SYMBOLS, where they are named.",
        example="BTCUSDT",
    )
    bybit_api: str = setting(
        "BYBIT_API", kinds.choice("v5", "v2"), "v5", "Which of Bybit's interfaces to ask; v2 is the one before 2023."
    )
    bybit_calls_per_5s: int = setting(
        "BYBIT_CALLS_PER_5S",
        kinds.whole(0, 100_000),
        "300",
        "Calls allowed in 5 seconds and address; Bybit itself bans above 600. 0: no limit.",
    )
    history: tuple[str, ...] | None = setting(
        "HISTORY",
        kinds.names(label="list of `FEED=SINCE`"),
        "",
        "Feeds whose past the poller fetches by itself, on what live polling leaves, and since when: a date or `365d`.",
        example="binance.candle-1d=2017-08-01",
    )
    timeout: float = setting(
        "HTTP_TIMEOUT", kinds.seconds(0.1, 300), "10", "Longest wait for an upstream's answer, whole."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """The producing process."""

    port: int = setting(
        "PYTHON_PRODUCER_SERVER_PORT",
        _port,
        "8000",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )
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

    port: int = setting(
        "PYTHON_CONSUMER_SERVER_PORT",
        _port,
        "8001",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )
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
        _port,
        "",
        "Port of Kafka. 0: a free one. Without: the last one, at first 9092.",
        example="9092",
    )
    elasticsearch_port: int | None = setting(
        "ENGINES_ES_PORT", _port, "", "Port of Elasticsearch, likewise; at first 9200.", example="9200"
    )
    s3_port: int | None = setting(
        "ENGINES_S3_PORT", _port, "", "Port of the S3 API, likewise; at first 9000.", example="9000"
    )
    kafka_heap_mb: int = setting("ENGINES_KAFKA_HEAP_MB", kinds.whole(128, 512), "512", "Heap of Kafka, MB.")
    elasticsearch_heap_mb: int = setting(
        "ENGINES_ES_HEAP_MB", kinds.whole(256, 31_744), "1024", "Heap of Elasticsearch, MB."
    )
    s3_heap_mb: int = setting("ENGINES_S3_HEAP_MB", kinds.whole(64, 256), "256", "Heap of the S3 API, MB.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """One of each."""

    kafka: Kafka
    elasticsearch: Elasticsearch
    s3: S3
    upstreams: Upstreams
    poller: Poller
    asking: Asking
    indexer: Indexer
    serve: Serve
    teams: Teams
    page: Page
    watch: Watch
    models: Models
    brokers: Brokers
    service: Service
    engines: Engines


SECTIONS: dict[str, type] = {
    "kafka": Kafka,
    "elasticsearch": Elasticsearch,
    "s3": S3,
    "upstreams": Upstreams,
    "poller": Poller,
    "asking": Asking,
    "indexer": Indexer,
    "serve": Serve,
    "teams": Teams,
    "page": Page,
    "watch": Watch,
    "models": Models,
    "brokers": Brokers,
    "service": Service,
    "engines": Engines,
}
assert set(SECTIONS) == {each.name for each in fields(Sections)}  # noqa: S101 - a slip of ours, not of a user
