"""A proxy with scripted faults in front of any HTTP server: Elasticsearch, S3, another sandbox.

    with FaultProxy("http://127.0.0.1:9200", Script([Rule(path="/_bulk", nth=3, lose_answer=True)])) as proxy:
        client = Elasticsearch(proxy.url)

Everything is handed on as it came, the ``Host`` header too, because S3 signs it. Each client connection has its own
connection to the target, kept open as long. A target that is down or breaks off is passed on as just that: the
client's connection closes. A request is never tried twice.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.ledger import CallLog
from cryptoproxy.sandbox.rules.script import Script
from cryptoproxy.sandbox.server import FaultServer
from cryptoproxy.sandbox.wire import Request, Response, http_date

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "content-length", "transfer-encoding", "expect"}
)


class FaultProxy(FaultServer):
    """Started by ``with`` or :meth:`start`; ``pause()`` refuses connections, ``resume()`` takes them again.

    Args:
        target_url: scheme, host and port; a path is not used.
        delay: seconds added to every answer, for many connections at once.
        ledger: what was answered, where wanted; give it ``keep_bodies=False`` for long runs.
        tls: how an ``https`` target is verified.
        timeout: seconds the target may take to connect or between two reads; over it the connection closes.
    """

    def __init__(
        self,
        target_url: str,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        delay: float = 0.0,
        ledger: CallLog | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        target = urlsplit(target_url)
        if target.scheme not in ("http", "https") or not target.hostname:
            raise ValueError(f"not an address of an HTTP server: {target_url!r}")
        self._target = target.scheme, target.hostname, target.port
        self._tls = tls
        self._timeout = timeout
        super().__init__(script or Script(), host=host, port=port, delay=delay, ledger=ledger, clock=clock)

    def peer(self) -> _Target:
        scheme, host, port = self._target
        if scheme == "https":
            return _Target(http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls))
        return _Target(http.client.HTTPConnection(host, port, timeout=self._timeout))

    def refusal(self, request: Request, status: int) -> Response:
        return Response(status, (("Date", http_date(self.clock.now_ms())),))

    def asked(self, request: Request) -> str:
        return "proxy"


class _Target:
    """The target's side of one client connection."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._aborted = False

    def answer(self, request: Request) -> Response | None:
        connection = self._connection
        if self._aborted:
            return None
        if connection.sock is not None and _hung_up(connection.sock):
            connection.close()  # it closed while idle: nothing was asked yet, so this is not a second try
        try:
            self._ask(request)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        if response.will_close:
            connection.close()
        return Response(response.status, tuple(response.headers.items()), body)

    def abort(self) -> None:
        self._aborted = True
        sock = self._connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, request: Request) -> None:
        connection = self._connection
        chunked = request.header("transfer-encoding") is not None
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif request.body or request.header("content-length") is not None:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders([request.body] if chunked else request.body or None, encode_chunked=chunked)


def _hung_up(sock: socket.socket) -> bool:
    """Whether the other side closed an idle connection: it is readable although nothing was asked."""
    return bool(select.select([sock], [], [], 0)[0])
