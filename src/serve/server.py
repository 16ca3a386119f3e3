"""uvicorn on a thread of the process, with one loop for all ports.

What a request says before its body is bounded here: the HTTP parser bounds nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cryptoproxy.common.service import Loop
from cryptoproxy.common.service.http import holder
from cryptoproxy.errors import OperatorError

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers: thousands of ids come in one line."""
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
_SAYS = b'{"error":"the head of this request is too large"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"access-control-allow-origin: *\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_SAYS), _SAYS)
)


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request does not come to its body within :data:`MAX_HEAD_BYTES`."""

    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            return  # it is refused when the parser is done with this piece
        super().on_headers_complete()
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            return
        super().on_message_complete()
        self._head_bytes = 0


class Server:
    """
    Args:
        apps: a port, 0 is a free one, and the ASGI application there.
        cert_file, key_file: with them all ports speak TLS.

    Raises:
        OperatorError: a port cannot be opened.
    """

    def __init__(
        self,
        host: str,
        apps: Sequence[tuple[int, Any]],
        *,
        cert_file: Path | None = None,
        key_file: Path | None = None,
    ) -> None:
        self._cert_file, self._key_file = cert_file, key_file
        # It warns of each upgrade and of each piece of garbage that somebody sends, which may be many.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._listening = [(_opened(host, port), app) for port, app in apps]

    @property
    def ports(self) -> list[int]:
        """As they are open, in the order given."""
        return [each.getsockname()[1] for each, _ in self._listening]

    def run(self, loop: Loop) -> None:
        """Until the process stops. Answers that are under way are given."""
        servers = [(uvicorn.Server(self._config(app)), opened) for opened, app in self._listening]

        async def main() -> None:
            tasks = [asyncio.create_task(server.serve(sockets=[opened])) for server, opened in servers]
            try:
                while loop.running and not any(task.done() for task in tasks):
                    await asyncio.sleep(0.1)
            finally:
                for server, _ in servers:
                    server.should_exit = True
                await asyncio.gather(*tasks)

        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(main())

    def _config(self, app: Any) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
            ssl_certfile=self._cert_file,
            ssl_keyfile=self._key_file,
        )


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


def _opened(host: str, port: int) -> socket.socket:
    """Several processes may listen on one port: the kernel shares the connections out among them."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(AttributeError, OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        by = holder(port) if error.errno == errno.EADDRINUSE else None
        raise OperatorError(
            f"the door {host}:{port} cannot be opened: {error.strerror}{f' ({by})' if by else ''}",
            remedy="Free it, or set SERVE_PORT (0: any free one) or SERVE_HOST",
        ) from error
    return opened
