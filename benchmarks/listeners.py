"""`python -m benchmarks.listeners PORT COUNT MESSAGES`: so many connections to the door's trades of Binance. Each hears
so many messages; prints JSON with how late they were, by the moment that each tells (``E``), in ms.

Nothing of a frame is read but that number: the listener must not be slower than what it measures.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

_HANDSHAKE = (
    b"GET /binance/ws/btcusdt@aggTrade HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_told = re.compile(rb'"E":(\d+)')


class Listening(asyncio.Protocol):
    """One connection."""

    def __init__(self, late: list[float], ready: asyncio.Queue[None], over: asyncio.Queue[bool], messages: int) -> None:
        self._late, self._ready, self._over, self._left = late, ready, over, messages
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        now_ms = time.time() * 1000
        if not self._open:
            self._open = True
            self._ready.put_nowait(None)
        for told in _told.findall(data):
            self._late.append(now_ms - int(told))
            self._left -= 1
            if self._left == 0:
                self._over.put_nowait(True)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left > 0:
            self._over.put_nowait(False)


async def main(port: int, count: int, messages: int) -> None:
    late: list[float] = []
    ready: asyncio.Queue[None] = asyncio.Queue()
    over: asyncio.Queue[bool] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(lambda: Listening(late, ready, over, messages), "127.0.0.1", port)
    for _ in range(count):
        await ready.get()
    print("all listen", flush=True)
    whole = [await over.get() for _ in range(count)]
    late.sort()
    found = {name: late[min(len(late) - 1, int(len(late) * share))] for name, share in (("p50", 0.5), ("p99", 0.99))}
    print(json.dumps({**found, "most": late[-1], "messages": len(late), "cut": whole.count(False)}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:4])))
