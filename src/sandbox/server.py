"""An HTTP/1.1 server with keep-alive that carries out a script of faults to the byte.

A thread per connection; head and body leave in one send (no waiting for a delayed acknowledgement). What is asked
comes from a :class:`Peer`: the upstreams of the sandbox, or the other side of a proxy.
"""

from __future__ import annotations

import gzip
import io
import logging
import socket
import socketserver
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.sandbox.ledger import CallLog
from cryptoproxy.sandbox.rules.request import Rule, asked_otherwise, changed
from cryptoproxy.sandbox.rules.script import Script
from cryptoproxy.sandbox.wire import BadRequestError, Frame, Request, Response, frame, read_request

log = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
DRIP_STEP_S = 0.05
PASS = Rule()
SWITCHING = 101
TLS_HANDSHAKE = b"\x16"


class Peer(Protocol):
    """What stands behind one client connection."""

    def answer(self, request: Request) -> Response | None:
        """None: close the connection without an answer."""

    def abort(self) -> None:
        """From another thread: a running :meth:`answer` ends soon."""

    def close(self) -> None: ...


class FaultServer(ABC):
    """Starts, stops, and plays dead: ``pause()`` refuses connections, ``resume()`` listens on the same port again.

    Args:
        port: 0 takes a free one.
        compress: gzip for clients that take it.
        delay: seconds before every answer, besides what the script says.
        ledger: what was answered, where wanted; it stays its maker's to close.
        tls: who begins with a TLS handshake gets one; others are answered in the clear.
    """

    def __init__(
        self,
        script: Script,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        compress: bool = False,
        delay: float = 0.0,
        ledger: CallLog | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.tls = tls
        self.compress = compress
        self.delay = delay
        self.clock = clock or SystemClock()
        self.ledger = ledger
        self._address = (host, port)
        self._tcp: _Tcp | None = None
        self._thread: threading.Thread | None = None

    @abstractmethod
    def peer(self) -> Peer:
        """For a new connection."""

    @abstractmethod
    def refusal(self, request: Request, status: int) -> Response:
        """What this side's own error of that status looks like."""

    def talk(self, request: Request, sock: socket.socket, stopping: threading.Event) -> None:
        """Goes on with a connection whose request was answered with 101, to its end, the handshake first."""
        raise NotImplementedError

    @abstractmethod
    def asked(self, request: Request) -> str | None:
        """Whom the request is for: the ledger's word. None: for ourselves, so neither faults nor ledger touch it."""

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def port(self) -> int:
        """The real one, once started."""
        return self._address[1]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        if self._thread is None:
            self._tcp = self._tcp or _Tcp(self, self._address)
            self._address = (self.host, self._tcp.server_address[1])
            self._tcp.server_activate()
            self._thread = threading.Thread(
                target=self._tcp.serve_forever, kwargs={"poll_interval": 0.05}, name=f"http-{self.port}", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Breaks off what runs, closes every connection, frees the port."""
        self._break_off()

    def pause(self) -> None:
        """Down: open connections break, new ones are refused, the port stays ours (bound, not listening)."""
        self._break_off()
        self._tcp = _Tcp(self, self._address)

    def resume(self) -> None:
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _break_off(self) -> None:
        if self._thread is not None and self._tcp is not None:
            self._tcp.shutdown()
            self._thread.join(STOP_DEADLINE_S)
            self._thread = None
        if self._tcp is not None:
            self._tcp.server_close()
            self._tcp.break_off()
            self._tcp = None


class _Tcp(socketserver.ThreadingTCPServer):
    """The listening socket between a start and a stop. Made bound, listens when told."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, owner: FaultServer, address: tuple[str, int]) -> None:
        super().__init__(address, _Connection, bind_and_activate=False)
        self.owner = owner
        self.stopping = threading.Event()
        self.live: dict[_Connection, threading.Thread] = {}
        self.lock = threading.Lock()
        try:
            self.server_bind()
        except OSError:
            self.server_close()
            raise

    def handle_error(self, request: object, client_address: object) -> None:
        log.exception("sandbox: connection from %s broke", client_address)

    def break_off(self) -> None:
        self.stopping.set()
        with self.lock:
            live = dict(self.live)
        for connection in live:
            connection.break_off()
        end = time.monotonic() + STOP_DEADLINE_S
        for thread in live.values():
            thread.join(max(0.0, end - time.monotonic()))


class _Connection(socketserver.BaseRequestHandler):
    """One client connection: read a request, ask the script, ask the peer, send."""

    server: _Tcp
    request: socket.socket

    def setup(self) -> None:
        self.owner = self.server.owner
        self.peer = self.owner.peer()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream: io.BufferedReader = self.request.makefile("rb")
        with self.server.lock:
            self.server.live[self] = threading.current_thread()

    def handle(self) -> None:
        try:
            self._secure()
            while not self.server.stopping.is_set():
                request = read_request(self.stream, self._go_on)
                if request is None or not self._exchange(request):
                    return
        except BadRequestError as error:
            with suppress(ConnectionError):
                self._send(frame(Response(400, body=str(error).encode()), Request("GET", "/"), close=True).whole)
        except (ConnectionError, ssl.SSLError):  # the other side went away, or stop() shut the socket
            return

    def _secure(self) -> None:
        tls = self.owner.tls
        if tls is not None and self.request.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
            self.request = tls.wrap_socket(self.request, server_side=True)
            self.stream = self.request.makefile("rb")

    def finish(self) -> None:
        with self.server.lock:
            self.server.live.pop(self, None)
        self.peer.close()
        self.stream.close()
        if isinstance(self.request, ssl.SSLSocket):  # the plain one is no longer a socket
            self.request.close()

    def break_off(self) -> None:
        """From another thread: whatever this one waits for ends."""
        self.peer.abort()
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def _exchange(self, request: Request) -> bool:
        """One request and its answer. Whether the connection lives on."""
        server = self.owner
        asked = server.asked(request)
        rule = None if asked is None else server.script.decide(request)
        answer = self._answered(request, rule)
        effects = rule or PASS
        if asked is not None and not self._wait(effects):
            return False
        if answer is not None and rule is not None:
            answer = changed(answer, rule, now_ms=server.clock.now_ms())
        whole = answer is not None and effects.cut_after is None
        if asked is not None and server.ledger is not None:  # before the first byte leaves
            fault = rule.label if rule else ""
            server.ledger.add(server.clock.now_ms(), asked, request, answer, fault=fault, whole=whole)
        if answer is None:
            return self._hang_up(effects)
        if answer.status == SWITCHING:
            server.talk(request, self.request, self.server.stopping)
            return False
        self._transmit(frame(self._compressed(request, answer), request, close=not request.keep_alive), effects)
        return request.keep_alive if whole else self._hang_up(effects)

    def _answered(self, request: Request, rule: Rule | None) -> Response | None:
        if rule is None:
            return self.peer.answer(request)
        if rule.refuse:
            return None
        asked = rule.status is None or rule.forward or rule.lose_answer
        answer = self.peer.answer(asked_otherwise(request, rule)) if asked else None
        if rule.lose_answer:
            return None
        if rule.status is not None:
            return self.owner.refusal(request, rule.status)
        return answer

    def _wait(self, rule: Rule) -> bool:
        """Delays and holds. False when the server stops meanwhile."""
        stopping = self.server.stopping
        while rule.hold and not stopping.is_set():
            if self.owner.script.wait_removed(rule, timeout=0.05):
                break
        delay = rule.delay + self.owner.delay
        return not (stopping.wait(delay) if delay else stopping.is_set())

    def _compressed(self, request: Request, answer: Response) -> Response:
        wanted = self.owner.compress and "gzip" in (request.header("accept-encoding") or "")
        if not wanted or not answer.body or answer.header("content-encoding"):
            return answer
        packed = Response(answer.status, answer.headers, gzip.compress(answer.body, 1, mtime=0), answer.chunked)
        return packed.with_headers({"Content-Encoding": "gzip"})

    def _transmit(self, framed: Frame, rule: Rule) -> None:
        body, tail = framed.body, framed.tail
        if rule.cut_after is not None:
            body, tail = body[: max(0, min(rule.cut_after, len(body) - 1))], b""
        if rule.drip is None:
            self._send(framed.head + body + tail)
            return
        self._send(framed.head)
        step = max(1, round(rule.drip * DRIP_STEP_S))
        for at in range(0, len(body), step):
            self._send(body[at : at + step])
            if self.server.stopping.wait(step / rule.drip):
                return
        self._send(tail)

    def _hang_up(self, rule: Rule) -> bool:
        if rule.reset:
            self.stream.close()
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
        return False

    def _go_on(self) -> None:
        self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, data: bytes) -> None:
        self.request.sendall(data)
