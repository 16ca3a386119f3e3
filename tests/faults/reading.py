"""What a poll's records must say, read from the served bodies once more: with plain json, and nothing of the poller.

The mappings are those of docs/data-contract.md, written down a second time on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.sandbox.ledger import Entry

Fields = dict[str, Any]
Expected = dict[str, Fields]
"""By asset id; without the three times of the poll itself."""

QUERIES = {
    "coingecko": "/coins/markets",
    "binance": "/ticker/24hr",
    "bybit-linear": "category=linear",
    "bybit-inverse": "category=inverse",
    "bybit-spot": "category=spot",
}
"""What is in the address of each source's polls."""
LISTS = ("/exchangeInfo", "/instruments-info")
"""And in those of the symbol lists, which are no polls."""


class NoPollError(Exception):
    """The body is no answer that could become a poll."""


def expected(source: str, bodies: Sequence[bytes], quotes: Mapping[str, str]) -> Expected:
    """The records of one poll.

    Args:
        bodies: the answers to its calls, in order.
        quotes: by symbol, the quote currency in the exchange's own list.
    """
    found: Expected = {}
    for body in bodies:
        rows, stamp = _rows(source, body)
        for row in rows:
            fields = _READERS[source](row, stamp, quotes)
            if fields is not None and fields["price"] is not None and fields["price"] > 0:
                found.setdefault(fields["asset_id"], _given(fields))
    if not found:
        raise NoPollError("no record in it")
    return found


def quotes_in(body: bytes) -> dict[str, str]:
    """Symbol to quote currency, from an exchange's list of symbols."""
    content = json.loads(body)
    if "symbols" in content:
        return {row["symbol"]: row["quoteAsset"] for row in content["symbols"]}
    return {row["symbol"]: row["quoteCoin"] for row in content["result"]["list"]}


def _rows(source: str, body: bytes) -> tuple[list[Any], Any]:
    try:
        content = json.loads(body)
        if source.startswith("bybit"):
            return content["result"]["list"], content["time"]
    except (ValueError, KeyError, TypeError) as error:
        raise NoPollError(str(error)) from error
    if not isinstance(content, list):
        raise NoPollError("no array")
    return content, None


def _coin(row: Any, _stamp: Any, _quotes: Mapping[str, str]) -> Fields | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return None
    change = row.get("price_change_percentage_24h")
    return {
        "asset_id": row["id"],
        "symbol": (row.get("symbol") or row["id"]).upper(),
        "name": row.get("name") or (row.get("symbol") or row["id"]).upper(),
        "quote": "USD",
        "price": row.get("current_price"),
        "last_updated": row.get("last_updated"),
        "market_cap": row.get("market_cap"),
        "market_cap_rank": row.get("market_cap_rank"),
        "volume_24h": row.get("total_volume"),
        "high_24h": row.get("high_24h"),
        "low_24h": row.get("low_24h"),
        "change_1h": row.get("price_change_percentage_1h_in_currency"),
        "change_24h": row.get("price_change_percentage_24h_in_currency") if change is None else change,
        "change_7d": row.get("price_change_percentage_7d_in_currency"),
        "price_change_24h": row.get("price_change_24h"),
    }


def _ticker(row: Any, _stamp: Any, quotes: Mapping[str, str]) -> Fields | None:
    if row["count"] == 0:
        return None
    return {
        "asset_id": row["symbol"],
        "symbol": row["symbol"],
        "name": row["symbol"],
        "quote": quotes.get(row["symbol"]),
        "price": _number(row["lastPrice"]),
        "last_updated": row["closeTime"],
        "volume_24h": _number(row["quoteVolume"]),
        "high_24h": _number(row["highPrice"]),
        "low_24h": _number(row["lowPrice"]),
        "change_24h": _number(row["priceChangePercent"]),
        "open_24h": _number(row["openPrice"]),
        "base_volume_24h": _number(row["volume"]),
        "trades_24h": row["count"],
        "price_change_24h": _number(row["priceChange"]),
        "bid_price": _number(row["bidPrice"]),
        "ask_price": _number(row["askPrice"]),
    }


def _contract(market: str) -> Callable[[Any, Any, Mapping[str, str]], Fields]:
    def read(row: Any, stamp: Any, quotes: Mapping[str, str]) -> Fields:
        turnover, volume = _number(row.get("turnover24h")), _number(row.get("volume24h"))
        in_quote, in_base = (volume, turnover) if market == "inverse" else (turnover, volume)
        fraction, before = row.get("price24hPcnt"), row.get("prevPrice24h")
        return {
            "asset_id": row["symbol"],
            "symbol": row["symbol"],
            "name": row["symbol"],
            "quote": quotes.get(row["symbol"]),
            "price": _number(row["lastPrice"]),
            "last_updated": stamp,
            "volume_24h": in_quote,
            "base_volume_24h": in_base,
            "turnover_24h": turnover,
            "high_24h": _number(row.get("highPrice24h")),
            "low_24h": _number(row.get("lowPrice24h")),
            "change_24h": float(Decimal(fraction) * 100) if fraction else None,
            "price_24h_pcnt": _number(fraction),
            "prev_price_24h": _number(before),
            "prev_price_1h": _number(row.get("prevPrice1h")),
            "price_change_24h": float(Decimal(row["lastPrice"]) - Decimal(before)) if before else None,
            "bid_price": _number(row.get("bid1Price")),
            "ask_price": _number(row.get("ask1Price")),
            "index_price": _number(row.get("indexPrice")),
            "mark_price": _number(row.get("markPrice")),
            "open_interest": _number(row.get("openInterest")),
            "funding_rate": _number(row.get("fundingRate")),
            "next_funding_time": _moment(row.get("nextFundingTime")),
            "delivery_time": _moment(row.get("deliveryTime")),
        }

    return read


_READERS: dict[str, Callable[[Any, Any, Mapping[str, str]], Fields | None]] = {
    "coingecko": _coin,
    "binance": _ticker,
    **{f"bybit-{market}": _contract(market) for market in ("linear", "inverse", "spot")},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the judge knows of the polls of one dataset."""

    dataset: Dataset[Any]
    source_of: Callable[[Entry], str | None]
    """Which source's poll asked for it; None for what was no call of such a poll."""
    expected: Callable[[str, Sequence[bytes], Mapping[str, str]], Expected]
    """The records of one poll, by :attr:`name`. Raises NoPollError."""
    name: Callable[[Mapping[str, Any]], str]
    """Of a record within its poll."""
    serial: Callable[[Mapping[str, Any]], str] = lambda record: ""
    """What stands before the slot in an id."""
    alone: bool = False
    """Each answer is a poll of its own, whatever it was asked for."""

    @property
    def suffix(self) -> str:
        """Behind a source in the name of its feed."""
        return "" if self.dataset is TICKER else f".{self.dataset.name}"

    def identity(self, record: Mapping[str, Any]) -> str:
        """What tells a record from all others, as docs/data-contract.md has it."""
        slot_ms = milliseconds(record["timestamp"])
        return f"{record['source']}:{record['asset_id']}:{record['quote']}:{self.serial(record)}{slot_ms}"

    def is_poll(self, source: str, body: bytes) -> bool:
        """Whether this body can become records (of which quote does not matter)."""
        try:
            self.expected(source, [body], {})
        except NoPollError:
            return False
        return True


def source_of(entry: Entry) -> str | None:
    """Of tickers."""
    if any(part in entry.target for part in LISTS):
        return None
    return next((source for source, part in QUERIES.items() if part in entry.target), None)


TICKERS = Kind(TICKER, source_of, expected, name=lambda record: str(record["asset_id"]))


def milliseconds(text: str) -> int:
    """Of any ISO 8601 time."""
    moment = datetime.fromisoformat(text)
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def _number(text: Any) -> float | None:
    return float(text) if text not in (None, "") else None


def _moment(text: Any) -> str | None:
    return str(text) if text not in (None, "", "0", 0) else None


def _given(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
