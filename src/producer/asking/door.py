"""The desk's address for our other processes: `POST /ask`, over loopback, or with a token and TLS.

The active poller tells it on the state topic with its term of the lease, so that of two words the later one is known.
"""

from __future__ import annotations

import hmac
import logging
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from cryptoproxy.common.asking import AskError, NoBudgetError, NotAllowedError, Replied
from cryptoproxy.common.asking.words import (
    ASK_PATH,
    FETCHED,
    HEADERS,
    MAX_QUESTION_BYTES,
    STATUS,
    AskBody,
    Refused,
    Where,
)
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Asking
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Questions; one more is refused, for a moment."""
IDLE_SECONDS = 60.0
"""Of a connection on which nothing is asked, or comes to an end."""
TURN_SECONDS = 1.0

_asked = msgspec.json.Decoder(AskBody)
Ask = Callable[..., Replied]
"""As :meth:`Desk.ask`."""


class _TokenError(NotAllowedError):
    status = 401


class Door:
    """Listens from the start, so that its address is known; answers while :meth:`run` has a thread.

    Args:
        ask: what answers, ``Desk.ask``.
        epoch: this process's term of the lease.

    Raises:
        OperatorError: it cannot listen there.
    """

    def __init__(self, asking: Asking, ask: Ask, *, epoch: Callable[[], int]) -> None:
        self._token = asking.token
        self._ask = ask
        self._epoch = epoch
        self._places = threading.BoundedSemaphore(AT_ONCE)
        try:
            self._server = _Server((asking.host, asking.port), _handler(self.answer))
            self._server.tls = _tls(asking)
        except OSError as error:
            raise OperatorError(
                f"{asking.host}:{asking.port} cannot be opened for what others ask: {error.strerror or error}",
                remedy="Mend ASK_HOST, ASK_PORT, ASK_CERTFILE or ASK_KEYFILE (port 0: any free one)",
            ) from error
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        if host in ("0.0.0.0", "::"):  # noqa: S104 - where one may listen, nobody can be told to come
            host = socket.gethostname()
        scheme = "https" if asking.cert_file else "http"
        self.url = asking.url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def word(self) -> bytes:
        """What is told of it on the state topic."""
        return msgspec.json.encode(Where(self.url, self._epoch()))

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="door", daemon=True)
        thread.start()
        while not loop.wait(TURN_SECONDS):
            pass
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        self._server.server_close()

    def answer(self, body: bytes, authorization: str) -> Replied:
        """
        Raises:
            AskError: there is no answer; why.
        """
        token = self._token.get()
        if token and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise _TokenError("whoever asks here must show the poller's ASK_TOKEN")
        try:
            asked = _asked.decode(body)
        except UNREADABLE as error:
            raise NotAllowedError(f"this is no question: {error}") from error
        if not self._places.acquire(blocking=False):
            raise NoBudgetError(f"{AT_ONCE} questions are under way", retry_after=1.0)
        try:
            return self._ask(asked.question, priority=asked.priority, seconds=asked.seconds)
        finally:
            self._places.release()


def _tls(asking: Asking) -> ssl.SSLContext | None:
    if asking.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(asking.cert_file, asking.key_file)
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def server_bind(self) -> None:
        # HTTPServer's own asks the DNS for this host's full name, and waits long where that is away.
        socketserver.TCPServer.server_bind(self)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # On the connection's own thread, so that a slow handshake holds up nobody.
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(IDLE_SECONDS)
        with self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as safe:
            safe.do_handshake()
            super().finish_request(safe, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a question of %s ended early", client_address, exc_info=True)


def _handler(answer: Callable[[bytes, str], Replied]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS
        wbufsize = -1  # head and body in one packet

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            # A browser sends this type nowhere without having asked before, so no page of the web can ask here.
            if self.headers.get("Content-Type") != "application/json" or self.path != ASK_PATH:
                self._refuse(404, NotAllowedError(f"there is POST {ASK_PATH} of application/json"))
            elif not length.isdecimal() or len(length) > 9 or int(length) > MAX_QUESTION_BYTES:
                self._refuse(413, NotAllowedError(f"a question has at most {MAX_QUESTION_BYTES} bytes"))
            else:
                self._answer(self.rfile.read(int(length)))

        def _answer(self, body: bytes) -> None:
            try:
                replied = answer(body, self.headers.get("Authorization", ""))
            except AskError as error:
                self._say(error.status, error)
                return
            except Exception as error:  # one question's bug must not be taken for a poller that is away
                log.exception("a question failed in a way that nobody foresaw")
                self._say(500, error)
                return
            headers = msgspec.json.encode(dict(replied.headers)).decode()
            self._send(
                200, replied.body,
                {STATUS: str(replied.status), FETCHED: str(replied.fetched_at_ms), HEADERS: headers},
            )  # fmt: skip

        def _refuse(self, status: int, error: AskError) -> None:
            self.close_connection = True  # what it has sent is not read
            self._say(status, error)

        def _say(self, status: int, error: Exception) -> None:
            refused = Refused(getattr(error, "reason", "error"), str(error), getattr(error, "retry_after", None))
            self._send(status, msgspec.json.encode(refused), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            log.debug(format, *args)

    return Handler
