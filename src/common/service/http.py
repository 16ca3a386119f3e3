"""`/livez`, `/readyz` and `/metrics`. A bare TCP connect tells that the process lives, too.

`/readyz?exclude=lease` leaves a part out, as Kubernetes' own servers have it: a poller that stands by is as ready as it
can be, and a roll-out must not wait for it.
"""

from __future__ import annotations

import errno
import json
import logging
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cryptoproxy.common.metrics import HeldUp
from cryptoproxy.common.service.health import Health
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)


class HealthServer:
    """Serves on a thread of its own, so that it answers whatever the loops are doing."""

    def __init__(
        self, host: str, port: int, *, health: Health, stuck: Callable[[], list[str]], registry: CollectorRegistry
    ) -> None:
        registry.register(HeldUp(health.reasons))

        def answer(path: str, query: str) -> tuple[int, str, bytes]:
            if path == "/livez":
                late = stuck()
                return (
                    (503, "text/plain", f"stuck: {', '.join(late)}\n".encode())
                    if late
                    else (200, "text/plain", b"ok\n")
                )
            if path == "/readyz":
                excluded = parse_qs(query).get("exclude", [])
                reasons = {part: reason for part, reason in health.reasons().items() if part not in excluded}
                body = json.dumps({"ready": not reasons, "reasons": reasons}, ensure_ascii=False) + "\n"
                return 503 if reasons else 200, "application/json", body.encode()
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
            return 404, "text/plain", b"there are /livez, /readyz and /metrics\n"

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # of a peer that connects and says nothing

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                status, content_type, body = answer(path, query)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                log.debug(format, *args)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def server_bind(self) -> None:
                # HTTPServer's own asks the DNS for this host's full name, and waits long where that is away.
                socketserver.TCPServer.server_bind(self)
                self.server_name, self.server_port = host, port

            def handle_error(self, request: Any, client_address: Any) -> None:
                # A peer that hangs up (a bare TCP probe) is no event.
                log.debug("health request of %s ended early", client_address, exc_info=True)

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            by = holder(port) if error.errno == errno.EADDRINUSE else None
            raise OperatorError(
                f"the health port {host}:{port} cannot be opened: {error.strerror}{f' ({by})' if by else ''}",
                remedy="Free it, or set PYTHON_PRODUCER_SERVER_PORT, PYTHON_CONSUMER_SERVER_PORT or "
                "PYTHON_SERVE_SERVER_PORT (0: any free one)",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def holder(port: int) -> str | None:
    """Name and pid of the process that listens on a port, as far as this user may know."""
    import psutil  # only where something is in the way

    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None
