"""A network of so many bytes per second before a server: what goes there is held back, what comes back is not."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_PIECE = 16 * 1024


class Link:
    """A TCP forwarder in a thread of its own; started by ``with``. All connections share the rate.

    Args:
        url: of the server.
        rate: bytes per second towards it.
    """

    def __init__(self, url: str, rate: float) -> None:
        self._target = urlsplit(url)
        self._rate = rate
        self._free_at = 0.0
        """When the line has sent all that was put on it, by the loop's clock."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self.url = ""

    def __enter__(self) -> Link:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_PIECE), self._loop
        ).result(10)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        await asyncio.gather(self._pump(reader, back, held=True), self._pump(there, writer, held=False))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                if held:
                    await self._hold(len(piece))
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def _hold(self, size: int) -> None:
        now = self._loop.time()
        self._free_at = max(self._free_at, now) + size / self._rate
        await asyncio.sleep(self._free_at - now)
