"""Holds every recorded kline, OHLC and chart answer below a folder against the records that are made of it.

    python scripts/check_recorded_bars.py FOLDER      (``check_road_datasets.py`` sends them down the whole road)

What is expected is worked out here alone, from plain JSON whose numbers stay text. Each record also goes through its
bytes and back. Files of products that are not carried are named and left out. Exits 1 on any difference.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cryptoproxy.datasets import DATASETS, Feed
from cryptoproxy.datasets.times import Span
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.candles import CoinGeckoCandles
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins
from cryptoproxy.upstreams.history import Start

NOW_MS = 1_795_000_000_321
EVER = Span(0, NOW_MS)
LEFT_OUT = {
    "coinm_klines": "COIN-M futures of Binance",
    "archive_": "files of data.binance.vision",
    "v2_kline": "the old API v2 of Bybit",
    "error": "errors",
}
LENGTHS = {"m": 60, "h": 3600, "d": 86_400}
BYBIT = {"60": "1h", "D": "1d", "5m": "5m", "1m": "1m"}
QUOTES = ("USDT", "USD", "BTC")

Row = list[str]
Expected = dict[str, Any]


class Reading(NamedTuple):
    """What our own reader makes of one answer, and what it is to make of it."""

    name: str
    feed: Feed
    records: list[Any]
    expected: list[Expected]
    """Of each record its fields."""
    faults: list[str]
    """What can be seen without looking at a record."""


def iso(ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def bar(source: str, symbol: str, quote: str, interval: str, row: Row, **volumes: str) -> Expected:
    prices = {name: float(text) for name, text in zip(("open", "high", "low", "close"), row[1:5], strict=True)}
    numbers = {name: int(text) if name == "trades" else float(text) for name, text in volumes.items()}
    return {
        "source": source,
        "asset_id": symbol,
        "symbol": symbol,
        "quote": quote,
        "interval": interval,
        "timestamp": iso(int(row[0])),
        "fetched_at": iso(NOW_MS),
        **prices,
        **numbers,
    }


def quote_of(symbol: str) -> str:
    return next(quote for quote in QUOTES if symbol.endswith(quote))


def binance(path: Path, found: Any) -> tuple[Any, str, list[Expected]]:
    told = re.search(r"klines_([A-Z]+)_(\d+[a-z])", path.name)
    symbol, interval = told.groups() if told else ("ADAUSDT", "1m")
    names = ("base_volume", "quote_volume", "trades", "taker_base_volume", "taker_quote_volume")
    rows = [
        bar(
            "binance", symbol, quote_of(symbol), interval, row,
            **dict(zip(names, (row[5], row[7], row[8], row[9], row[10]), strict=True)),
        )
        for row in found
    ]  # fmt: skip
    return BinanceCandles(interval), symbol, rows


def bybit(path: Path, found: Any) -> tuple[Any, str, list[Expected]]:
    told = re.search(r"kline_(linear|inverse|spot)_(?:([A-Z]+)_)?(\w+?)[_.]", path.name)
    market, symbol, spelled = told.groups() if told else ("linear", None, "")
    symbol = symbol or (found["result"]["symbol"] if isinstance(found, dict) else "BTCUSDT")
    interval = BYBIT.get(spelled, "1m")
    rows = found if isinstance(found, list) else found["result"]["list"]
    in_base, in_quote = (6, 5) if market == "inverse" else (5, 6)
    expected = [
        bar(
            f"bybit-{market}", symbol, quote_of(symbol), interval, row,
            base_volume=row[in_base], quote_volume=row[in_quote],
        )
        for row in rows
    ]  # fmt: skip
    return BybitCandles(market, interval), symbol, expected[::-1]


def ohlc(path: Path, found: Any) -> tuple[Any, str, list[Expected]]:
    quote = "myr" if "_myr" in path.name else "usd"
    interval, step = ("4h", 4 * 3600) if "30d" in path.name else ("30m", 1800)
    begins = [str(int(row[0]) - step * 1000) for row in found]
    rows = [
        bar("coingecko", "bitcoin", quote.upper(), interval, [begin, *row[1:]]) | {"symbol": "BTC"}
        for begin, row in zip(begins, found, strict=True)
    ]
    return CoinGeckoCandles(interval, coins=Coins(Access(), quote=quote)), "bitcoin", rows[:-1]  # the last one is open


def chart(path: Path, found: Any) -> tuple[Any, str, list[Expected]]:
    caps, volumes = dict(found["market_caps"]), dict(found["total_volumes"])
    expected = [
        {
            "source": "coingecko",
            "asset_id": "bitcoin",
            "symbol": "BTC",
            "name": "Bitcoin",
            "quote": "USD",
            "price": float(price),
            "timestamp": iso(int(stamp)),
            "fetched_at": iso(NOW_MS),
            "fetch_delay_ms": NOW_MS - int(stamp),
            "interval_ms": 86_400_000,
            "market_cap": float(caps[stamp]),
            "volume_24h": float(volumes[stamp]),
        }
        for stamp, price in found["prices"]
        if int(stamp) % 86_400_000 == 0
    ]
    return CoinGeckoCharts(coins=Coins(Access())), "bitcoin", expected


KINDS = (("kline_", bybit), ("klines_", binance), ("ohlc_", ohlc), ("market_chart_", chart))


def paths(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if (
            not any(mark in path.name for mark in ("kline_", "klines_", "ohlc", "market_chart"))
            or ".headers." in path.name
        ):
            continue
        if "sparkline" in path.name or path.name.startswith("ws_"):
            continue
        if why := next((why for mark, why in LEFT_OUT.items() if path.name.startswith(mark)), None):
            print(f"{path.name:60} left out: {why}")
        elif path.suffix == ".json":
            yield path


def reading(path: Path) -> Reading:
    body = path.read_bytes()
    found = json.loads(body, parse_float=str, parse_int=str)
    history, symbol, expected = next(make for mark, make in KINDS if mark in path.name)(path, found)
    if isinstance(found, list) and isinstance(history, BybitCandles):  # the list alone was kept
        body = b'{"retCode":0,"result":{"list":' + body + b"}}"
    start = Start(0, symbol="BTC", name="Bitcoin") if symbol == "bitcoin" else Start(0)
    page = history.page(symbol, start, EVER, Response(200, {}, body), now_ms=NOW_MS)
    faults = [f"{path.name}: {row}" for row in page.rejected]
    if len(expected) != len(page.records):
        faults.append(f"{path.name}: {len(expected)} expected, {len(page.records)} records")
    return Reading(path.name, history.feed, list(page.records), expected, faults)


def readings(folder: Path) -> Iterator[Reading]:
    return map(reading, paths(folder))


def differing(name: str, wanted: Expected, given: Expected) -> Iterator[str]:
    """A line for each field that is not as it should be, in value or in type."""
    for field in sorted(wanted.keys() | given.keys()):
        right, found = wanted.get(field), given.get(field)
        if right != found or type(right) is not type(found):
            yield f"{name} {field}: expected {right!r}, found {found!r}"


def told(all_readings: Iterable[Reading]) -> int:
    """Says what was found: of each answer a line, its records, all that differs. The exit code."""
    faults: list[str] = []
    total = 0
    for name, feed, records, expected, seen in all_readings:
        print(f"{name:60} {feed.whole_name:24} records {len(records):5}")
        total += len(records)
        faults += seen
        codec = DATASETS[feed.dataset].codec
        for wanted, record in zip(expected, records, strict=False):
            line = codec.encode(record)
            faults += differing(f"{name} {record.timestamp}", wanted, msgspec.json.decode(line))
            if codec.decode(line) != record:
                faults.append(f"{name} {record.timestamp}: differs after a way through its bytes")
    print(f"all: {total} records; differences: {len(faults)}")
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    return 1 if faults or not total else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(told(readings(Path(sys.argv[1]))))
