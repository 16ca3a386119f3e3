"""Where documents go, how to get in, and which index holds what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret
from cryptoproxy.common.settings.sections.kafka import other_datasets
from cryptoproxy.datasets import TICKER, Dataset, Part, Period, index_name

_alias = kinds.matching(
    r"[a-z0-9][a-z0-9._-]{0,199}", "alias name", "must be lower-case letters, digits, '.', '_' or '-'"
)


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
        kinds.mapping(other_datasets, _alias),
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
