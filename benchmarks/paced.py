"""Questions at a steady rate over a few connections: how long each took since the moment when it was due.

wrk asks as fast as it is answered; who waits for an answer would not be seen by that. On uvloop, and without streams:
this side shall not be the one that is waited for.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.world import BenchmarkError

CONNECTIONS = 32
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def paced(url: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each answer. What is due while an answer is waited for is asked after it, and counted from when
    it was due.

    Raises:
        BenchmarkError: something else than an answer came.
    """
    took: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        parts = urlsplit(url)
        begin, every = loop.time() + 0.2, CONNECTIONS / rate
        askers = [
            _Asker(url, begin + every * number / CONNECTIONS, every, begin + seconds, took)
            for number in range(CONNECTIONS)
        ]
        for each in askers:
            await loop.create_connection(partial(_itself, each), str(parts.hostname), int(parts.port or 80))
        await asyncio.gather(*(each.done for each in askers))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return took


def _itself(asker: _Asker) -> _Asker:
    return asker


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self, url: str, due: float, every: float, end: float, took: list[float]) -> None:
        parts = urlsplit(url)
        self._ask = (
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
        )
        self._due, self._every, self._end, self._took = due, every, end, took
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._head, self._left = b"", -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._plan()

    def _plan(self) -> None:
        if self._due >= self._end:
            self.done.set_result(None)
            self._transport.close()
        elif (wait := self._due - self._loop.time()) > 0:
            self._loop.call_later(wait, self._transport.write, self._ask)
        else:
            self._transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            at = self._head.find(b"\r\n\r\n")
            if at < 0:
                return
            found = _LENGTH.search(self._head, 0, at + 2)
            if found is None or not self._head.startswith(b"HTTP/1.1 200"):
                self._fail(f"not answered: {self._head[:200]!r}")
                return
            self._left = at + 4 + int(found[1]) - len(self._head)
        else:
            self._left -= len(data)
        if self._left == 0:
            self._head, self._left = b"", -1
            self._took.append((self._loop.time() - self._due) * 1000)
            self._due += self._every
            self._plan()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed")

    def _fail(self, words: str) -> None:
        if not self.done.done():
            self.done.set_exception(BenchmarkError(words))
            self._transport.close()
