"""What the number fields of a record mean: their unit, who sends them, and which hold a change over which window."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.fields import Unit

FIELDS = {column.name: column.unit for column in TICKER.columns if column.unit is not None}
"""Every number field of the record, and its unit."""

_DERIVATIVES = "bybit-linear, bybit-inverse"
_EXCHANGES = f"binance, {_DERIVATIVES}, bybit-spot"
_BYBIT = f"{_DERIVATIVES}, bybit-spot"
_SENDERS = {
    "coingecko": "market_cap market_cap_rank change_7d",
    "coingecko, Bybit's v2 API": "change_1h",
    "Bybit's v2 API": "price_1h_pcnt total_volume",
    "binance": "open_24h trades_24h",
    _EXCHANGES: "base_volume_24h bid_price ask_price",
    _BYBIT: "prev_price_24h turnover_24h price_24h_pcnt",
    _DERIVATIVES: "index_price mark_price open_interest prev_price_1h funding_rate",
}
SENDERS = {name: senders for senders, names in _SENDERS.items() for name in names.split()}
"""Which sources send a field, where not all do."""


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that hold a change over one window. A source sends one of them or neither."""

    percent: str
    fraction: str | None = None


WINDOWS = {
    "1h": Change("change_1h", "price_1h_pcnt"),
    "24h": Change("change_24h", "price_24h_pcnt"),
    "7d": Change("change_7d"),
}


def known(field: str) -> str:
    """Raises:
    ValueError: no number field of the record.
    """
    if field not in FIELDS:
        raise ValueError(f"{field!r} is no number field of a record; there are {', '.join(sorted(FIELDS))}")
    return field


def described(field: str) -> str:
    """The field with its unit, as an axis is labelled."""
    unit = FIELDS[field]
    word = {
        Unit.QUOTE: "in quote currency",
        Unit.BASE: "in base units",
        Unit.PERCENT: "percent",
        Unit.FRACTION: "fraction, 0.01 is 1 %",
        Unit.BASIS_POINTS: "basis points, 1 is 0.01 %",
        Unit.MILLISECONDS: "ms",
        Unit.COUNT: "",
    }[unit]
    return f"{field} ({word})" if word else field
