"""The fields of a record. Optional fields may be added; nothing here may be renamed, removed or narrowed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

SCHEMA_VERSION = 1
SCHEMA_VERSION_HEADER = "schema-version"
"""Kafka header with the version as ASCII digits; a record without it is version 1."""
RECORD_HEADERS = [(SCHEMA_VERSION_HEADER, str(SCHEMA_VERSION).encode())]
"""What every record that we send to a topic has."""

MAX_RECORD_BYTES = 64 * 1024

# Patterns and lengths stand in the JSON Schema; the codec checks them itself, through caches, because a
# regular expression per field and record would cost more than decoding the record.
SOURCE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
ASSET_ID_PATTERN = r"^[^:/\s]{1,128}$"
QUOTE_PATTERN = r"^[^:/\s]{1,32}$"
TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"

SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 100, 86_400_000
"""As the settings allow it."""


def _text(pattern: str, description: str) -> Meta:
    return Meta(description=description, extra_json_schema={"pattern": pattern})


Source = Annotated[
    str,
    _text(
        SOURCE_PATTERN,
        "One per market: coingecko, binance, bybit-linear, bybit-inverse, bybit-spot; BTCUSDT differs in each.",
    ),
]
AssetId = Annotated[
    str,
    _text(ASSET_ID_PATTERN, "The upstream's own id: bitcoin, BTCUSDT. Only this is unique; symbols repeat."),
]
Quote = Annotated[str, _text(QUOTE_PATTERN, "Quote currency: USD, USDT; UNKNOWN where no rule tells it.")]
Time = Annotated[str, _text(TIME_PATTERN, "UTC, ISO 8601, milliseconds, Z.")]


class Ticker(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One asset at one source at one poll. Absent fields are left out of the JSON.

    Prices are in ``quote``; ``change_*`` in percent; ``*_pcnt`` are fractions; ``volume_24h`` and
    ``turnover_24h`` in quote; ``base_volume_24h`` in base units.
    """

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTC at CoinGecko, BTCUSDT at an exchange. Repeats.")]
    name: Annotated[str, Meta(description="Bitcoin; the symbol where the upstream has no name.")]
    quote: Quote
    price: Annotated[float, Meta(gt=0, description="Last price, in quote.")]
    timestamp: Annotated[Time, Meta(description="The slot: the planned time of the poll, a multiple of the interval.")]
    fetched_at: Annotated[Time, Meta(description="When the response had arrived.")]
    fetch_delay_ms: Annotated[int, Meta(description="fetched_at - timestamp, in milliseconds.")]
    last_updated: Annotated[Time | None, Meta(description="The upstream's own time of the price.")] = None

    market_cap: float | None = None
    market_cap_rank: Annotated[int | None, Meta(description="1 is the largest; 32 bits.")] = None
    volume_24h: Annotated[float | None, Meta(description="In quote.")] = None
    high_24h: float | None = None
    low_24h: float | None = None
    change_1h: Annotated[float | None, Meta(description="Percent.")] = None
    change_24h: Annotated[float | None, Meta(description="Percent.")] = None
    change_7d: Annotated[float | None, Meta(description="Percent.")] = None

    open_24h: float | None = None
    base_volume_24h: Annotated[float | None, Meta(description="In base units.")] = None
    trades_24h: int | None = None
    price_change_24h: Annotated[float | None, Meta(description="In quote.")] = None
    bid_price: float | None = None
    ask_price: float | None = None

    index_price: float | None = None
    mark_price: float | None = None
    open_interest: float | None = None
    prev_price_1h: float | None = None
    prev_price_24h: float | None = None
    price_1h_pcnt: Annotated[float | None, Meta(description="A fraction: 0.01 is one percent.")] = None
    price_24h_pcnt: Annotated[float | None, Meta(description="A fraction: 0.01 is one percent.")] = None
    turnover_24h: Annotated[float | None, Meta(description="As the upstream sends it.")] = None
    total_volume: float | None = None
    funding_rate: float | None = None
    next_funding_time: Annotated[str | None, Meta(description="As the upstream sends it: ms or ISO text.")] = None
    delivery_time: Annotated[str | None, Meta(description="As the upstream sends it: ms or ISO text.")] = None

    interval_ms: Annotated[
        Annotated[int, Meta(ge=SHORTEST_INTERVAL_MS, le=LONGEST_INTERVAL_MS)] | None,
        Meta(
            description="The source's interval at that poll: the next slot was planned so much later. "
            "Absent where none was planned (`produce --once`).",
        ),
    ] = None
