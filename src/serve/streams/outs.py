"""Where the messages of a reader of ``/v1/stream`` go: a WebSocket, or server-sent events over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from cryptoproxy.serve.reply import CORS
from cryptoproxy.serve.streams.wire import CUT_SECONDS, MOST_WAITING, PING_SECONDS, Wire, framed

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

HANG_UP = "cryptoproxy.hang_up"
"""Of ``scope["extensions"]``: ends a connection of which nobody reads what is told."""
EVENTS = b"text/event-stream"
_HEAD = (
    (b"content-type", EVENTS + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    *CORS,
)


class SocketOut:
    """``{"id": …, "dataset": "trade", "record": {…}}`` a message."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def record(self, name: str, text: bytes, place: str) -> bool:
        return self._wire.write(
            framed(b'{"id":"%s","dataset":"%s","record":%s}' % (place.encode(), name.encode(), text))
        )

    def cut(self, code: int, reason: str) -> None:
        self._wire.cut(code, reason)


class EventsOut:
    """``id``, ``event`` (the dataset), ``data`` (the record). What waits for a client is bounded here."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[bytes] = [b"retry: 2000\n\n"]
        self._size = 0
        self._more = asyncio.Event()
        self._more.set()
        self._over = asyncio.Event()

    def record(self, name: str, text: bytes, place: str) -> bool:
        """Ours have no line break in them, as lines of the lake. In JSON of others it is a blank, here an end."""
        text = b" ".join(text.splitlines())
        event = b"id: %s\nevent: %s\ndata: %s\n\n" % (place.encode(), name.encode(), text)
        self._waiting.append(event)
        self._size += len(event)
        self._more.set()
        return self._size <= MOST_WAITING

    def cut(self, code: int, reason: str) -> None:
        """It has not read: so there is nobody to say it to. What waits it may still get, if it has only just come."""
        self._over.set()

    async def run(self, receive: Receive) -> bool:
        """Until the client has gone; True where it was cut.

        Who comes back for more than may wait gets so much, and the end: it comes again, from there on.
        """
        await self._send({"type": "http.response.start", "status": 200, "headers": list(_HEAD)})
        if self._over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end(), CUT_SECONDS)
                return False
            return True
        tasks = [asyncio.create_task(each) for each in (self._tell(), until_gone(receive), self._over.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._over.is_set()

    async def _end(self) -> None:
        for told, more in ((b"".join(self._waiting), True), (b"", False)):
            await self._send({"type": "http.response.body", "body": told, "more_body": more})

    async def _tell(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), PING_SECONDS)
            self._more.clear()
            told = b"".join(self._waiting) or b": still here\n\n"
            self._waiting.clear()
            self._size = 0
            await self._send({"type": "http.response.body", "body": told, "more_body": True})


async def until_gone(receive: Receive) -> None:
    """Until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass
