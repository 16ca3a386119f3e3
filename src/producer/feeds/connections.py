"""One connection to an upstream: made by trying its addresses side by side, over a proxy where there is one, and asked.

Connecting and asking are two things, each on a thread of its own: only so the wait for them has an end (a name that is
not resolved, a handshake or a head that drips take as long as they like), and what comes too late for one slot is there
for the next.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import parse_url

from cryptoproxy.common.clients import outside
from cryptoproxy.common.clients.outside import Address
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.base import Response

LINGER_SECONDS = 30.0
"""For so long a connection or an answer may still come that nobody waits for any more."""
MAX_INTERIM = 100
"""Answers before the answer; more are no HTTP."""

Read = Callable[[urllib3.BaseHTTPResponse, float], Response]
"""Makes an answer of a response, and of when it was asked for (monotonic seconds)."""

_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
_CONNECTION = re.compile(r"^_(Plain|Tls)\(.*?\): ")


class Line:
    """A connection to the host of ``url`` and what it is busy with. One thread uses it; its tasks run on others.

    Args:
        doubtful: addresses to be tried after all others.

    Raises:
        OperatorError: the environment's proxy or authorities cannot be used.
    """

    def __init__(self, url: str, doubtful: Collection[Address]) -> None:
        self._origin = urlsplit(url)[:2]
        self.host = self._origin[1]
        self._proxy = outside.proxy_for(url)
        self._connection = _unconnected(url, self._proxy)
        self._connection.doubtful = frozenset(doubtful)
        self.asked = False
        self.answered = False
        """It has given a whole answer: it is warm."""
        self.was_cut = False
        self.unheard = False
        """Nobody waits for its answer any more."""
        self.limit = LINGER_SECONDS
        self.seconds_to_connect = 0.0
        self.task: Future[Any] = self._begin(self._connect)

    @property
    def age(self) -> float:
        """Seconds since its task was begun."""
        return time.monotonic() - self._begun

    @property
    def address(self) -> Address | None:
        """The one that took the connection; None before."""
        return self._connection.address

    def is_idle(self) -> bool:
        """Whether it may be asked: connected, and nothing has come since, the connection's end neither."""
        sock = self._connection.sock
        if not self.task.done() or sock is None:
            return False
        try:
            # Not by looking whether it is readable: after a handshake of TLS 1.3 tickets come.
            sock.settimeout(0)
            sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def leads_to(self, url: str) -> bool:
        return urlsplit(url)[:2] == self._origin

    def ask(self, url: str, headers: Mapping[str, str], read: Read, *, limit: float) -> Future[Response]:
        """One GET; the answer as ``read`` makes it of the response, or a TransientError or OperatorError.

        Args:
            limit: seconds, after which nobody wants the answer any more.
        """
        self.asked = True
        self.limit = self._connection.timeout = limit
        self.task = task = self._begin(self._get, url, headers, read)
        return task

    def cut(self) -> None:
        """Ends it, whatever it is busy with."""
        self.was_cut = True
        sock = self._connection.sock
        if self.task.done():
            self._connection.close()
        elif sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def detach(self) -> socket.socket:
        """Its socket, connected, for what is not HTTP; this object is nothing afterwards."""
        sock: socket.socket | None = self._connection.sock
        if sock is None:
            raise TransientError(f"{self.host}: no connection")
        self._connection.sock = None
        return sock

    def _begin(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        self._begun = time.monotonic()
        task: Future[Any] = Future()
        thread = threading.Thread(target=self._run, args=(task, work, *args), name=f"fetch {self.host}", daemon=True)
        thread.start()
        return task

    def _run(self, task: Future[Any], work: Callable[..., Any], *args: Any) -> None:
        try:
            result = work(*args)
        except BaseException as error:  # noqa: BLE001 - for the thread that waits for it
            self._connection.close()
            task.set_exception(self._meaning(error))
        else:
            if self.was_cut:
                self._connection.close()
            task.set_result(result)

    def _connect(self) -> None:
        begun = time.monotonic()
        self._connection.connect()
        self.seconds_to_connect = time.monotonic() - begun

    def _get(self, url: str, headers: Mapping[str, str], read: Read) -> Response:
        forwarded = self._proxy is not None and not url.startswith("https://")
        if forwarded and self._proxy is not None and self._proxy.authorization:
            headers = {**headers, "Proxy-Authorization": self._proxy.authorization}
        begun, parts = time.monotonic(), urlsplit(url)
        path = url if forwarded else f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            self._connection.request("GET", path, headers=headers, preload_content=False, decode_content=False)
        except ValueError:
            raise OperatorError(  # from nothing: its text holds what cannot be sent
                f"{self.host} cannot be asked: a header or the address holds a character that none may hold",
                remedy="Check the key and the address",
            ) from None
        response = self._connection.getresponse()
        answer = read(response, begun)
        response.close()  # read to its end; else the connection waits for that
        self.answered = True
        return answer

    def _meaning(self, error: BaseException) -> BaseException:
        where = f"{self.host} (through the proxy {self._proxy})" if self._proxy else self.host
        if isinstance(error, ssl.SSLCertVerificationError):
            return TransientError(
                f"{where}: its certificate is refused: {error.verify_message}. Where a proxy or this host has an "
                f"authority of its own, name its file in {outside.BUNDLES[0]}"
            )
        if isinstance(error, TimeoutError):
            return TransientError(f"{where} did not answer for {self._connection.timeout or LINGER_SECONDS:.0f} s")
        if isinstance(error, _FAILURES):
            return TransientError(f"{where}: {_words(error)}")
        return error


def _unconnected(url: str, proxy: outside.Proxy | None) -> _Plain | _Tls:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TransientError(f"{parts.netloc or 'an address without a host'} is not an http:// or https:// address")
    secure = parts.scheme == "https"
    options: dict[str, Any] = {"timeout": LINGER_SECONDS}
    if secure or (proxy and proxy.scheme == "https"):
        options["ssl_context"] = outside.tls()
    if proxy is None:
        return (_Tls if secure else _Plain)(parts.hostname, parts.port, **options)
    options["proxy"] = parse_url(repr(proxy))
    options["proxy_config"] = ProxyConfig(options.get("ssl_context"), False, None, None)
    connection = (_Tls if "ssl_context" in options else _Plain)(proxy.host, proxy.port, **options)
    if secure:
        headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        connection.set_tunnel(parts.hostname, parts.port or 443, headers, scheme=proxy.scheme)
    return connection


class _Final(http.client.HTTPResponse):
    """The answer itself. What an upstream says before it (``103 Early Hints``) is passed over, as HTTP has it; a 101 is
    none of these, since after it something else is spoken."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.BadStatusLine(f"more than {MAX_INTERIM} interim answers")


class _Addresses:
    """Of both kinds of connection: how its socket is made, and how answers are read."""

    response_class: Any = _Final
    address: Address | None = None
    doubtful: frozenset[Address] = frozenset()

    def _new_conn(self: Any) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        try:
            sock = outside.first_to_connect(outside.in_turn(found, self.doubtful), LINGER_SECONDS)
            sock.settimeout(self.timeout)
            for option in self.socket_options:
                sock.setsockopt(*option)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} within {LINGER_SECONDS:.0f} s") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        self.address = sock.getpeername()[:2]
        return sock


class _Plain(_Addresses, HTTPConnection):
    pass


class _Tls(_Addresses, HTTPSConnection):
    pass


def _words(error: BaseException) -> str:
    """The innermost cause, without the connection that urllib3 begins some messages with."""
    inner = error
    while isinstance(deeper := getattr(inner, "reason", None) or next(iter(inner.args), None), BaseException):
        inner = deeper
    return f"{type(inner).__name__}: {_CONNECTION.sub('', str(inner))}"
