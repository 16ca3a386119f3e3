"""HTTP/1.1 as it lies on the wire: a request read from a socket, an answer turned into bytes.

Small on purpose: the server and the proxy need every byte under their control, so that "cut after 100 bytes of
the body" is true for the one who reads.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import parse_qsl

Header = tuple[str, str]

MAX_LINE = 65_536
"""Bytes of one header line, as in ``http.client``."""
MAX_HEADERS = 200
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
"""Headers that belong to one connection: never carried from one side to the other."""


class BadRequestError(Exception):
    """What came is not HTTP/1.x."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body whole and without transfer coding. Header names and order are as sent."""

    method: str
    target: str
    """Path and query as sent."""
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    keep_alive: bool = True

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def params(self) -> dict[str, str]:
        """The query, decoded. Of a repeated name the last value holds."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def wants_websocket(self) -> bool:
        return (self.header("upgrade") or "").lower() == "websocket"

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)

    def below(self, prefix: str) -> Request:
        """The same request without the first part of its path."""
        return replace(self, target=self.target.removeprefix(prefix) or "/")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; ``body`` is as it goes out, that is, compressed where ``Content-Encoding`` says so."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    chunked: bool = False
    """Send it with ``Transfer-Encoding: chunked`` (one chunk) instead of ``Content-Length``."""

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)

    def with_headers(self, changes: Mapping[str, str | None]) -> Response:
        """Headers set in their place or added, or removed where the value is None."""
        left = {name.lower(): (name, value) for name, value in changes.items()}
        headers = [left.pop(header[0].lower(), header) for header in self.headers]
        headers += left.values()
        return replace(self, headers=tuple((name, value) for name, value in headers if value is not None))


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one answer. ``body`` is what a cut or a drip counts; ``tail`` ends a chunked body."""

    head: bytes
    body: bytes
    tail: bytes

    @property
    def whole(self) -> bytes:
        return self.head + self.body + self.tail


def http_date(now_ms: int, shift_s: float = 0.0) -> str:
    """``Sat, 21 Nov 2026 09:10:00 GMT``."""
    return format_datetime(datetime.fromtimestamp(now_ms // 1000 + shift_s, tz=UTC).replace(microsecond=0), usegmt=True)


def find_header(headers: tuple[Header, ...], name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def read_request(stream: io.BufferedReader, go_on: Callable[[], None]) -> Request | None:
    """The next request on a connection, None where the other side has closed it between two.

    ``go_on`` sends the interim answer 100 for a client that waits for it before its body (boto3 does).

    Raises:
        BadRequestError: not HTTP, or the connection ended within a request.
    """
    line = _read_line(stream)
    if not line:
        return None
    parts = line.decode("latin-1").split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequestError(f"request line {line[:80]!r}")
    method, target, version = parts
    headers = _read_headers(stream)
    if (find_header(headers, "expect") or "").lower() == "100-continue":
        go_on()
    connection = (find_header(headers, "connection") or "").lower()
    keep_alive = "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)
    return Request(method, target, headers, _read_body(stream, headers), keep_alive)


def frame(answer: Response, request: Request, *, close: bool) -> Frame:
    """The bytes of ``answer`` to ``request``. A HEAD, 204 or 304 has no body but keeps the length it was given."""
    bodiless = request.method == "HEAD" or answer.status in (204, 304) or answer.status < 200
    headers = [(name, value) for name, value in answer.headers if name.lower() not in FRAMING]
    before, body, tail = b"", answer.body, b""
    if bodiless:
        body = b""
        length = answer.header("content-length")
        if length is not None:
            headers.append(("Content-Length", length))
    elif answer.chunked and body:
        headers.append(("Transfer-Encoding", "chunked"))
        before, tail = b"%x\r\n" % len(body), b"\r\n0\r\n\r\n"
    else:
        headers.append(("Content-Length", str(len(body))))
    headers.append(("Connection", "close" if close else "keep-alive"))
    lines = [f"HTTP/1.1 {answer.status} {reason(answer.status)}", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + before
    return Frame(head, body, tail)


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _read_line(stream: io.BufferedReader) -> bytes:
    line = stream.readline(MAX_LINE + 1)
    if line and not line.endswith(b"\n"):
        raise BadRequestError("line too long or cut")
    return line.rstrip(b"\r\n")


def _read_headers(stream: io.BufferedReader) -> tuple[Header, ...]:
    headers: list[Header] = []
    while line := _read_line(stream):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) >= MAX_HEADERS:
            raise BadRequestError(f"header line {line[:80]!r}")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def _read_body(stream: io.BufferedReader, headers: tuple[Header, ...]) -> bytes:
    if "chunked" in (find_header(headers, "transfer-encoding") or "").lower():
        chunks: list[bytes] = []
        while size := _chunk_size(_read_line(stream)):
            chunks.append(_read_exactly(stream, size))
            _read_line(stream)
        while _read_line(stream):  # trailers
            pass
        return b"".join(chunks)
    length = find_header(headers, "content-length") or "0"
    if not length.isdigit():
        raise BadRequestError(f"Content-Length {length!r}")
    return _read_exactly(stream, int(length))


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise BadRequestError(f"chunk size {line[:80]!r}") from None


def _read_exactly(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size) if size else b""
    if len(data) != size:
        raise BadRequestError(f"the body ended after {len(data)} of {size} bytes")
    return data
