"""A poller that streams from a sandbox, and a door over what it brings, as processes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from websockets.sync.client import connect

from cryptoproxy.datasets import BOOK, CANDLE, GAP, TICKER, TRADE
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import World
from tests.integration.serve.processes import ADDRESS, HEALTH, running, said

SOURCES = (
    "binance,binance.trade,binance.candle-1m@stream,binance.book,bybit-linear,bybit-linear.trade,"
    "bybit-linear.candle-1m@stream,bybit-linear.book,bybit-spot.trade"
)
BINANCE = [
    f"{symbol}@{kind}"
    for symbol in ("btcusdt", "ethusdt")
    for kind in ("aggTrade", "kline_1m", "depth@100ms", "depth5", "bookTicker", "ticker", "miniTicker")
]
LINEAR = [
    f"{kind}.{symbol}"
    for symbol in ("BTCUSDT", "ETHUSDT")
    for kind in ("publicTrade", "kline.1", "orderbook.50", "tickers")
]
SPOT = [f"publicTrade.{symbol}" for symbol in ("BTCUSDT", "ETHUSDT")]


class Streamed(NamedTuple):
    """Addresses, over HTTP; streams are there as well."""

    door: str
    health: str
    sandbox: Sandbox

    def ws(self, path: str) -> Any:
        """A connection, to be opened by ``with``."""
        return connect(f"ws{self.door.removeprefix('http')}{path}", compression=None)


@contextmanager
def streamed(world: World, folder: Path, **texts: str) -> Iterator[Streamed]:
    """Once every topic of :data:`BINANCE`, :data:`LINEAR` and :data:`SPOT` is carried."""
    with Sandbox(coins=60) as sandbox:
        world.texts |= {
            "SOURCES": SOURCES,
            "BINANCE_BASE_URL": sandbox.base_url("binance"),
            "BYBIT_BASE_URL": sandbox.base_url("bybit"),
            "BINANCE_WS_URL": sandbox.stream_url("binance"),
            "BYBIT_WS_URL": sandbox.stream_url("bybit"),
            "BINANCE_STREAM_SYMBOLS": "BTCUSDT,ETHUSDT",
            "BYBIT_STREAM_SYMBOLS": "BTCUSDT,ETHUSDT",
            "LIVE_SYMBOLS": "BTCUSDT,ETHUSDT",
            "KAFKA_LIVE_TOPIC": f"{world.texts['KAFKA_TOPIC']}.live",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "5",
            "SERVE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(folder / "read-through"),
            **texts,
        }
        world.set_up(TICKER, CANDLE, TRADE, BOOK, GAP)
        with running("produce", world, folder), running("serve", world, folder) as log:
            found = Streamed(said(log, ADDRESS), said(log, HEALTH), sandbox)
            for path, topics in (
                ("/binance/ws", BINANCE),
                ("/bybit/v5/public/linear", LINEAR),
                ("/bybit/v5/public/spot", SPOT),
            ):
                wait_until(lambda path=path, topics=topics: carried(found, path, topics), what=f"all topics at {path}")
            yield found


def carried(found: Streamed, path: str, topics: Sequence[str]) -> bool:
    with found.ws(path) as socket:
        if path.startswith("/binance"):
            socket.send(json.dumps({"method": "SUBSCRIBE", "params": topics, "id": 77}))
        else:
            socket.send(json.dumps({"op": "subscribe", "req_id": "77", "args": topics}))
        while True:
            said = json.loads(socket.recv(timeout=60))
            if said.get("id") == 77:
                return "result" in said
            if said.get("op") == "subscribe":
                return bool(said["success"])
