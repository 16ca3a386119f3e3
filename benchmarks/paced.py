"""Questions at a steady rate over a few connections: how long each took since the moment when it was due.

wrk asks as fast as it is answered; who waits for an answer would not be seen by that.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

CONNECTIONS = 32
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def paced(url: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each answer. What is due while an answer is waited for is asked after it, and counted from when
    it was due.
    """
    return asyncio.run(_paced(url, rate, seconds))


async def _paced(url: str, rate: float, seconds: float) -> list[float]:
    took: list[float] = []
    loop = asyncio.get_running_loop()
    begin = loop.time() + 0.2
    every = CONNECTIONS / rate
    await asyncio.gather(
        *(
            _ask(url, begin + every * number / CONNECTIONS, every, begin + seconds, took)
            for number in range(CONNECTIONS)
        )
    )
    return took


async def _ask(url: str, due: float, every: float, end: float, took: list[float]) -> None:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    ask = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    while due < end:
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        writer.write(ask)
        head = await reader.readuntil(b"\r\n\r\n")
        if (found := _LENGTH.search(head)) is None or not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not answered: {head[:200]!r}")
        await reader.readexactly(int(found[1]))
        took.append((loop.time() - due) * 1000)
        due += every
    writer.close()
