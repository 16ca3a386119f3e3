"""uvicorn on a thread of the process, with one loop for all ports.

What a request says before its body is bounded here: the HTTP parser bounds nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import uvicorn

from cryptoproxy.common.service import Loop
from cryptoproxy.common.service.http import holder
from cryptoproxy.errors import OperatorError
from cryptoproxy.serve.sending import Together
from cryptoproxy.serve.streams.outs import HANG_UP
from cryptoproxy.serve.streams.wire import LONGEST_MESSAGE, PING_SECONDS, PONG_SECONDS, Wire

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers: thousands of ids come in one line."""
KEEP_ALIVE_SECONDS = 75
HEAD_SECONDS = 30
"""From a connection to its first question: who holds one and says nothing takes a place from others."""
BACKLOG = 2048


def _refusal(status: bytes, says: bytes) -> bytes:
    return (
        b"HTTP/1.1 %s\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\nretry-after: 5\r\n"
        b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(says), says)
    )


_TOO_LARGE = _refusal(b"431 Request Header Fields Too Large", b'{"error":"the head of this request is too large"}')
_TOO_MANY = _refusal(b"503 Service Unavailable", b'{"error":"too many connections are open here"}')


class BoundedProtocol(Together):
    """Ends a connection whose request does not come to its body within :data:`MAX_HEAD_BYTES`, or at all."""

    most = 1 << 20
    """Connections at once."""
    _head_bytes = 0
    _silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._silent = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._speaks()
        super().connection_lost(exc)

    def _speaks(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
            self._silent = None

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            return  # it is refused when the parser is done with this piece
        self._speaks()
        self.scope["extensions"] = cast(Any, {HANG_UP: self.transport.abort})
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
        most: connections at once, of each port.
        arrive: given the loop when it runs, and None when it ends.

    Raises:
        OperatorError: a port cannot be opened.
    """

    def __init__(
        self,
        host: str,
        apps: Sequence[tuple[int, Any]],
        *,
        most: int = BoundedProtocol.most,
        arrive: Callable[[asyncio.AbstractEventLoop | None], None] = lambda _: None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
    ) -> None:
        self._protocol = type("Bounded", (BoundedProtocol,), {"most": most})
        self._arrive = arrive
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
            self._arrive(asyncio.get_running_loop())
            try:
                while loop.running and not any(task.done() for task in tasks):
                    await asyncio.sleep(0.1)
            finally:
                self._arrive(None)
                for server, _ in servers:
                    server.should_exit = True
                await asyncio.gather(*tasks)

        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(main())

    def _config(self, app: Any) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http=self._protocol,
            ws=Wire,
            ws_max_size=LONGEST_MESSAGE,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            ws_per_message_deflate=False,
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
