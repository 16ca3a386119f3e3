"""Holds every recorded ticker answer in a folder against the records that the sources make of it.

    python scripts/check_recorded.py FOLDER      (with coingecko/, binance/ and bybit/ in it)

What is expected is worked out here alone, from plain JSON whose numbers stay text, so that a mistake of the sources
cannot hide in its own check. Each record also goes through its bytes and back. Exits 1 on any difference.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cryptoproxy.datasets import decode, encode
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.base import Source
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko

FETCHED_AT_MS = 1_795_000_000_321
SLOT_MS = 1_795_000_000_000

Row = dict[str, Any]
Expected = dict[str, Any]


@dataclass
class Case:
    path: Path
    source: Source
    rows: list[Row]
    body: bytes
    expect: Callable[[Row], Expected | str]
    """The record's fields, or the reason why the row is none."""


def number(value: object) -> float | None:
    """JSON numbers arrive here as text too (see ``load``), so this is the double nearest to what was written."""
    if not isinstance(value, str) or value == "":
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value != "" else None


def moment(ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def load(body: bytes) -> Any:
    return json.loads(body, parse_float=str, parse_int=str)


def coingecko(quote: str) -> Callable[[Row], Expected | str]:
    def expect(row: Row) -> Expected | str:
        if not number(row["current_price"]):
            return "no_price"
        return {
            "source": "coingecko",
            "asset_id": row["id"],
            "symbol": row["symbol"].upper(),
            "name": row["name"],
            "quote": quote,
            "price": number(row["current_price"]),
            "last_updated": row["last_updated"],
            "market_cap": number(row["market_cap"]),
            "market_cap_rank": whole(row["market_cap_rank"]),
            "volume_24h": number(row["total_volume"]),
            "high_24h": number(row["high_24h"]),
            "low_24h": number(row["low_24h"]),
            "change_1h": number(row.get("price_change_percentage_1h_in_currency")),
            "change_24h": number(row["price_change_percentage_24h"]),
            "change_7d": number(row.get("price_change_percentage_7d_in_currency")),
            "price_change_24h": number(row["price_change_24h"]),
        }

    return expect


def binance(quotes: dict[str, str], guessed: Counter[str]) -> Callable[[Row], Expected | str]:
    def expect(row: Row) -> Expected | str:
        if row.get("count") == "0":
            return "halted"
        if not number(row.get("lastPrice")):
            return "no_price"
        symbol = row["symbol"]
        guessed["listed" if symbol in quotes else "by suffix"] += 1
        return {
            "source": "binance",
            "asset_id": symbol,
            "symbol": symbol,
            "name": symbol,
            "quote": quotes.get(symbol, ...),
            "price": number(row["lastPrice"]),
            "last_updated": moment(int(row["closeTime"])),
            "volume_24h": number(row["quoteVolume"]),
            "high_24h": number(row["highPrice"]),
            "low_24h": number(row["lowPrice"]),
            "change_24h": number(row["priceChangePercent"]),
            "open_24h": number(row["openPrice"]),
            "base_volume_24h": number(row["volume"]),
            "trades_24h": whole(row["count"]),
            "price_change_24h": number(row["priceChange"]),
            "bid_price": number(row.get("bidPrice")),
            "ask_price": number(row.get("askPrice")),
        }

    return expect


V5 = {
    "price": "lastPrice",
    "high": "highPrice24h",
    "low": "lowPrice24h",
    "bid": "bid1Price",
    "ask": "ask1Price",
    "volume": "volume24h",
    "turnover": "turnover24h",
    "day": "price24hPcnt",
    "hour": "price1hPcnt",
    "index": "indexPrice",
    "mark": "markPrice",
    "oi": "openInterest",
    "p1": "prevPrice1h",
    "p24": "prevPrice24h",
    "total": "totalVolume",
    "funding": "fundingRate",
    "next": "nextFundingTime",
    "delivery": "deliveryTime",
}
V2 = {
    "price": "last_price",
    "high": "high_price_24h",
    "low": "low_price_24h",
    "bid": "bid_price",
    "ask": "ask_price",
    "volume": "volume_24h",
    "turnover": "turnover_24h",
    "day": "price_24h_pcnt",
    "hour": "price_1h_pcnt",
    "index": "index_price",
    "mark": "mark_price",
    "oi": "open_interest",
    "p1": "prev_price_1h",
    "p24": "prev_price_24h",
    "total": "total_volume",
    "funding": "funding_rate",
    "next": "next_funding_time",
    "delivery": "delivery_time",
}


def bybit(market: str, names: dict[str, str], last_updated: str | None) -> Callable[[Row], Expected | str]:
    def expect(row: Row) -> Expected | str:
        def get(name: str) -> float | None:
            return number(row.get(names[name]))

        def percent(name: str) -> float | None:
            return None if get(name) is None else float(Decimal(row[names[name]]) * 100)

        if not get("price"):
            return "no_price"
        symbol = row["symbol"]
        volume, turnover = get("volume"), get("turnover")
        times = [value if (value := row.get(names[name])) not in ("", "0") else None for name in ("next", "delivery")]
        return {
            "source": f"bybit-{market}",
            "asset_id": symbol,
            "symbol": symbol,
            "name": symbol,
            "quote": "USD" if market == "inverse" else "USDC" if symbol.endswith("PERP") else "USDT",
            "price": get("price"),
            "last_updated": last_updated,
            "volume_24h": volume if market == "inverse" else turnover,
            "base_volume_24h": turnover if market == "inverse" else volume,
            "turnover_24h": turnover,
            "high_24h": get("high"),
            "low_24h": get("low"),
            "change_1h": percent("hour"),
            "change_24h": percent("day"),
            "price_change_24h": (
                float(Decimal(row[names["price"]]) - Decimal(row[names["p24"]])) if get("p24") else None
            ),
            "bid_price": get("bid"),
            "ask_price": get("ask"),
            "index_price": get("index"),
            "mark_price": get("mark"),
            "open_interest": get("oi"),
            "prev_price_1h": get("p1"),
            "prev_price_24h": get("p24"),
            "price_1h_pcnt": get("hour"),
            "price_24h_pcnt": get("day"),
            "total_volume": get("total"),
            "funding_rate": get("funding"),
            "next_funding_time": times[0],
            "delivery_time": times[1],
        }

    return expect


def bodies(folder: Path, pattern: str) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.glob(pattern)):
        if ".headers." not in path.name and not path.name.startswith(("error", "ws_")):
            yield path, path.read_bytes()


def cases(folder: Path, guessed: Counter[str]) -> Iterator[Case]:
    for path, body in bodies(folder, "coingecko/markets_*.json"):
        quote = "myr" if "_myr" in path.name else "usd"
        yield Case(path, CoinGecko(top_n=250, quote=quote), load(body), body, coingecko(quote.upper()))

    quotes: dict[str, str] = {}
    for _, body in bodies(folder, "binance/*exchangeInfo*.json"):
        quotes |= {pair["symbol"]: pair["quoteAsset"] for pair in load(body)["symbols"]}
    for path, body in bodies(folder, "binance/*ticker_24hr*.json"):
        found = load(body)
        rows = found if isinstance(found, list) else [found]
        asked = () if "symbol" in rows[0] else (path.name.split("_")[2],)
        for row in rows:
            row.setdefault("symbol", *asked)
        source = Binance(symbols=asked)
        if path.name.startswith("us_"):  # quoted in USD, which no table of suffixes can tell from TUSD and BUSD
            source.symbol_list.load([body for _, body in bodies(folder, "binance/us_exchangeInfo*.json")])
        yield Case(path, source, rows, body, binance(quotes, guessed))

    for path, body in bodies(folder, "bybit/*tickers*.json"):
        found = load(body)
        result = found.get("result", found) if isinstance(found, dict) else found
        v2 = isinstance(result, list)
        rows = result if isinstance(result, list) else result["list"]
        linear = rows[0]["symbol"].endswith(("USDT", "PERP"))
        market = "spot" if "_spot_" in path.name else "linear" if linear else "inverse"
        time = None
        if isinstance(found, dict) and "time" in found:
            time = moment(int(found["time"]))
        elif isinstance(found, dict) and "time_now" in found:
            time = moment(int(Decimal(found["time_now"]) * 1000))
        yield Case(path, Bybit(market), rows, body, bybit(market, V2 if v2 else V5, time))


def faults_of(case: Case, asset_id: str, expected: Expected, found: Expected) -> Iterator[str]:
    given = {name: value for name, value in expected.items() if value is not None}
    shared = {"timestamp": moment(SLOT_MS), "fetched_at": moment(FETCHED_AT_MS), "fetch_delay_ms": 321}
    for name in sorted({*given, *shared, *found}):
        wanted = {**given, **shared}.get(name)
        if wanted is ... and found.get(name) not in (None, "UNKNOWN"):
            continue
        if found.get(name) != wanted or type(found.get(name)) is not type(wanted):
            yield f"{case.path.name} {asset_id} {name}: expected {wanted!r}, found {found.get(name)!r}"


def check(case: Case) -> tuple[int, Counter[str], list[str]]:
    """Records, rejected rows by reason, and all that differs."""
    try:
        poll = case.source.read([case.body], slot_ms=SLOT_MS, fetched_at_ms=FETCHED_AT_MS)
    except TransientError as error:
        return 0, Counter(), [] if not case.rows else [f"{case.path.name}: {error}"]
    faults: list[str] = []
    by_id = {record.asset_id: record for record in poll.records}
    rejected = {row.asset_id: row.reason for row in poll.rejected}
    for row in case.rows:
        asset_id = row.get("id") or row["symbol"]
        expected = case.expect(row)
        if isinstance(expected, str):
            if rejected.get(asset_id) != expected:
                faults.append(f"{case.path.name} {asset_id}: expected to be rejected as {expected}")
        elif asset_id not in by_id:
            faults.append(f"{case.path.name} {asset_id}: no record, rejected as {rejected.get(asset_id)}")
        else:
            record = by_id[asset_id]
            faults += faults_of(case, asset_id, expected, msgspec.json.decode(encode(record)))
            if decode(encode(record), now_ms=SLOT_MS) != record:
                faults.append(f"{case.path.name} {asset_id}: differs after a way through its bytes")
    if len(case.rows) != len(poll.records) + len(poll.rejected):
        faults.append(f"{case.path.name}: {len(case.rows)} rows, but {len(poll.records)} + {len(poll.rejected)}")
    return len(poll.records), Counter(row.reason for row in poll.rejected), faults


def main(folder: Path) -> int:
    guessed: Counter[str] = Counter()
    total = Counter[str]()
    faults: list[str] = []
    for case in cases(folder, guessed):
        records, rejected, differing = check(case)
        total.update(files=1, rows=len(case.rows), records=records, **rejected)
        faults += differing
        why = " ".join(f"{reason}={count}" for reason, count in sorted(rejected.items()))
        print(f"{case.path.name:55} rows {len(case.rows):5} records {records:5} {why}".rstrip())
    print(f"all: {dict(total)}; quotes at Binance: {dict(guessed)}; differences: {len(faults)}")
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    return 1 if faults or not total["records"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
