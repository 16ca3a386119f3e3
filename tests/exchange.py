"""A small exchange in the test's hands: numbered trades of some pairs, by WebSocket and by page, as Binance has them."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.sync.server import Server, ServerConnection, serve

from cryptoproxy.upstreams.base import Call, Response


class Exchange:
    """Trades go to whoever is connected; all of them can be asked for."""

    def __init__(self) -> None:
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self.ahead_ms = 0
        """So much its clock is ahead."""
        self.asked: list[Call] = []
        self.subscribed: list[list[str]] = []
        self.refuses: Callable[[], int] = lambda: 0
        """The status that a handshake is answered with; 0 for a good one."""
        self._connections: list[ServerConnection] = []
        self._lock = threading.Lock()
        self._server: Server = serve(self._serve, "127.0.0.1", 0, compression=None, process_request=self._greet)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._connections)

    def trade(self, symbol: str, count: int = 1, *, silently: bool = False) -> None:
        """The next ones. ``silently``: no frame tells of them."""
        for _ in range(count):
            known = self.trades.setdefault(symbol, [])
            number = len(known) + 100
            row = {
                "a": number,
                "p": "100.10000000",
                "q": "0.30000000",
                "f": 2 * number,
                "l": 2 * number + 1,
                "T": self.now_ms(),
                "m": number % 2 == 0,
                "M": True,
            }
            known.append(row)
            if not silently:
                self.send(symbol, row)

    def send(self, symbol: str, row: dict[str, Any]) -> None:
        data = {"e": "aggTrade", "E": row["T"] + 1, "s": symbol, **row}
        self.say({"stream": f"{symbol.lower()}@aggTrade", "data": data})

    def say(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        with self._lock:
            for each in self._connections:
                with suppress(ConnectionClosed, OSError):
                    each.send(text)

    def cut(self) -> None:
        """Every connection, without a word."""
        with self._lock:
            for each in self._connections:
                each.socket.close()
            self._connections.clear()

    def ask(self, call: Call, end_ms: int, wait: object) -> Response:
        """What :meth:`PollOnce.ask` does."""
        self.asked.append(call)
        if call.url.endswith("/time"):
            return Response(200, {}, json.dumps({"serverTime": self.now_ms()}).encode())
        if call.url.endswith("/exchangeInfo"):
            pairs = [{"symbol": symbol, "quoteAsset": "USDT"} for symbol in self.trades or ("BTCUSDT",)]
            return Response(200, {}, json.dumps({"symbols": pairs}).encode())
        begin = int(call.params["fromId"])
        rows = [row for row in self.trades.get(call.params["symbol"], []) if row["a"] >= begin]
        return Response(200, {}, json.dumps(rows[: int(call.params["limit"])]).encode())

    def _greet(self, connection: ServerConnection, request: Request) -> Any:
        parts = urlsplit(request.path)
        if parts.path.startswith("/api/"):
            call = Call(parts.path, dict(parse_qsl(parts.query)))
            return connection.respond(200, self.ask(call, 0, None).body.decode())
        status = self.refuses()
        return connection.respond(status, "leave us alone\n") if status else None

    def _serve(self, connection: ServerConnection) -> None:
        # Who takes nothing any more is cut: a process that is frozen would hold up the frames of all others.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 1, 0))
        with suppress(ConnectionClosed, OSError):
            while True:
                asked = json.loads(connection.recv())
                self.subscribed.append(asked["params"])
                connection.send(json.dumps({"result": None, "id": asked["id"]}))
                with self._lock:
                    self._connections.append(connection)
        with self._lock:
            self._connections = [each for each in self._connections if each is not connection]
