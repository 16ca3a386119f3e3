"""What topics bring, for a door whose streams are listened to; and a client that others wrote."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from websockets.sync.client import ClientConnection, connect

from cryptoproxy.datasets import BOOK, CANDLE, TRADE, Dataset, Trade, iso, key
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.streams.trades import BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.streaming.stream import Left
from tests.unit.serve.conftest import NOW_MS, Road

PATIENCE = 60
_offsets = itertools.count(1)


class OnTopic(NamedTuple):
    """As Kafka's client gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def of(road: Road, dataset: Dataset[Any], *records: Any, part: str = "", since: int | None = None) -> list[OnTopic]:
    """Records as they come on their topic, at ever newer offsets, or from one on."""
    topic = road.settings.kafka.topic_of(dataset, part)
    numbers = _offsets if since is None else itertools.count(since)
    return [OnTopic(topic, 0, next(numbers), key(each).encode(), dataset.codec.encode(each)) for each in records]


def live(venue: str, symbol: str, topic: str, *frames: Any) -> list[OnTopic]:
    headers = [("topic", topic.encode()), ("received-at", str(NOW_MS).encode())]
    bodies = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in frames]
    return [OnTopic("crypto.live", 0, next(_offsets), f"{venue}:{symbol}".encode(), each, headers) for each in bodies]


def trade(number: int, *, source: str = "binance", symbol: str = "BTCUSDT", **more: Any) -> Trade:
    named = {
        "source": source, "asset_id": symbol, "symbol": symbol, "trade_id": f"{number}-{number * 3}", "trades": 3,
        "timestamp": iso(NOW_MS + number), "fetched_at": iso(NOW_MS + number + 7),
    }  # fmt: skip
    return msgspec.structs.replace(TRADE.example, **{**named, **more})


def told_trades(road: Road, symbol: str = "BTCUSDT", **asked: Any) -> list[OnTopic]:
    """The sandbox's newest trades, as the poller reads them."""
    url = road.sandbox.base_url("binance")
    stream = BinanceTrades(
        venue=BinanceVenue(base_url=url), base_url=url, symbols=[symbol], symbol_list=whole_list(url)
    )
    stream.begin(Left(), now_ms=road.clock.ms)
    rows = road.theirs("binance", "api/v3/aggTrades", params={"symbol": symbol, "limit": 1000, **asked}).json()
    stream.take({f"{symbol.lower()}@aggTrade": list(map(msgspec.json.encode, rows))}, now_ms=road.clock.ms)
    return of(road, TRADE, *stream.collect(now_ms=road.clock.ms).records)


def told_books(road: Road, symbol: str = "BTCUSDT") -> list[OnTopic]:
    """What the live topic has of the sandbox's books: a change of Binance's that is none, after which its snapshot can be
    asked for, and the snapshot with which Bybit's stream begins."""
    last = road.theirs("binance", "api/v3/depth", params={"symbol": symbol, "limit": 5}).json()["lastUpdateId"]
    change = {"e": "depthUpdate", "E": NOW_MS, "s": symbol, "U": last - 4, "u": last, "b": [], "a": []}
    topic = f"orderbook.200.{symbol}"
    with connect(f"{road.sandbox.stream_url('bybit')}/v5/public/linear", compression=None) as socket:
        socket.send(json.dumps({"op": "subscribe", "args": [topic]}))
        said = (str(socket.recv(timeout=PATIENCE)) for _ in itertools.count())
        frame = next(each.encode() for each in said if '"snapshot"' in each)
    return [
        *live("binance", symbol, f"{symbol.lower()}@depth@100ms", change),
        *live("bybit-linear", symbol, topic, frame),
    ]


def candle(begin_ms: int, *, source: str = "binance", interval: str = "1m", step_ms: int = 60_000, **more: Any) -> Any:
    named = {
        "source": source,
        "interval": interval,
        "timestamp": iso(begin_ms),
        "fetched_at": iso(begin_ms + step_ms + 9),
    }
    return msgspec.structs.replace(CANDLE.example, **{**named, **more})


def book(slot_ms: int) -> Any:
    return msgspec.structs.replace(BOOK.example, timestamp=iso(slot_ms), fetched_at=iso(slot_ms + 4))


class Client:
    """One connection of `websockets`, whose messages are JSON. Opened by ``with``."""

    def __init__(self, road: Road, path: str) -> None:
        self._opening = connect(f"ws{road.url.removeprefix('http')}{path}", compression=None)

    def ask(self, **question: Any) -> Any:
        self.socket.send(json.dumps(question))
        return self.heard()

    def heard(self) -> Any:
        return json.loads(self.socket.recv(timeout=PATIENCE))

    def __enter__(self) -> Client:
        self.socket: ClientConnection = self._opening.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opening.__exit__(*error)
