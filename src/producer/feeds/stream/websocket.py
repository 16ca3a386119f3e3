"""One WebSocket over a socket of our own: whole frames out of bytes.

The library speaks: handshake, pings, closing, frames in pieces. A whole unmasked data frame, which nearly all are, is
cut out here, which takes a sixth of the time.
"""

from __future__ import annotations

import http.client
import io
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from cryptoproxy.common.clients.outside import Address
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.connections import MAX_INTERIM, Line
from cryptoproxy.producer.feeds.fetch import unpacked_loosely
from cryptoproxy.upstreams.base import Response

HANDSHAKE_SECONDS = 10.0
SEND_SECONDS = 5.0
REFUSAL_SECONDS = 2.0
"""For the words of a refusal; its head counts without them."""
MAX_FRAME = 16 * 1024 * 1024
_MAX_HEAD = 64 * 1024
_CHUNK = 256 * 1024
_WHOLE = (0x81, 0x82)
"""The first byte of a text or binary frame that is not in pieces."""
_HEAD = re.compile(rb"(?s:.*?)\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})\b")
_SHORTEST = len(b"HTTP/1.1 101\n")
_quiet = logging.getLogger(f"{__name__}.protocol")
_quiet.setLevel(logging.WARNING)  # it says each opening and closing
_HTTP = {"ws": "http", "wss": "https"}


class RefusedHandshakeError(TransientError):
    """The upstream gave the attempt another answer than a WebSocket."""

    def __init__(self, message: str, answer: Response) -> None:
        super().__init__(message)
        self.answer = answer


class WebSocket:
    """Connected, and its handshake done.

    Args:
        url: ``ws://`` or ``wss://``.
        doubtful: addresses that took a connection and then said nothing. They are tried last; kept true here.

    Raises:
        RefusedHandshakeError: the upstream said no.
        TransientError: it cannot be reached, or does not speak WebSocket.
        OperatorError: the environment's proxy or authorities cannot be used.
    """

    def __init__(self, url: str, *, doubtful: set[Address] | None = None) -> None:
        scheme, _, rest = url.partition("://")
        self.host = rest.partition("/")[0]
        doubtful = set() if doubtful is None else doubtful
        line = Line(f"{_HTTP.get(scheme, scheme)}://{rest}", doubtful)
        try:
            line.task.result(HANDSHAKE_SECONDS)
        except TimeoutError as error:
            doubtful |= {line.address} if line.address else set()
            line.cut()
            raise TransientError(f"{self.host} was not reached within {HANDSHAKE_SECONDS:.0f} s") from error
        self._socket = line.detach()
        self._protocol = ClientProtocol(parse_uri(url), max_size=MAX_FRAME, logger=_quiet)
        self._rest = b""
        self._pieces = b""
        self.ended = ""
        """Why no more will come; empty while it may."""
        self.spoke = False
        """Whether the last look found any bytes, pings among them."""
        try:
            self._shake_hands()
        except BaseException as error:
            if line.address and not isinstance(error, RefusedHandshakeError):
                doubtful.add(line.address)
            self.close()
            raise
        doubtful -= {line.address} if line.address else set()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _shake_hands(self) -> None:
        protocol, deadline = self._protocol, time.monotonic() + HANDSHAKE_SECONDS
        self._socket.settimeout(HANDSHAKE_SECONDS)
        try:
            protocol.send_request(protocol.connect())
            self._flush()
            head, rest = self._head(b"", deadline)
            for _ in range(MAX_INTERIM):  # what it says before its answer (103 Early Hints) is passed over
                status = int(_STATUS.match(head)[1])  # type: ignore[index]
                if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                    break
                head, rest = self._head(rest, deadline)
            if status != http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise RefusedHandshakeError(
                    f"{self.host} answered the handshake with {status}", self._refusal(status, head + rest)
                )
            # Frames may come in the same bytes: they are not the library's.
            protocol.receive_data(head)
            self._rest = rest
            if protocol.handshake_exc is not None:
                raise protocol.handshake_exc
        except (InvalidHandshake, InvalidMessage, OSError, ssl.SSLError) as error:
            raise TransientError(f"{self.host}: no WebSocket: {type(error).__name__}: {error}") from error
        self._socket.settimeout(0)

    def _more(self, deadline: float) -> bytes:
        """However slowly it drips: the strand waits for it."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TransientError(f"{self.host}: its handshake took longer than {HANDSHAKE_SECONDS:.0f} s")
        self._socket.settimeout(left)
        return self._socket.recv(_CHUNK)

    def _head(self, data: bytes, deadline: float) -> tuple[bytes, bytes]:
        """The head of an answer, to its empty line, and what has come behind it."""
        while (found := _HEAD.match(data)) is None:
            if len(data) > _MAX_HEAD or (len(data) > _SHORTEST and not _STATUS.match(data)):
                break
            more = self._more(deadline)
            if not more:
                raise TransientError(f"{self.host} closed the connection before its handshake was done")
            data += more
        if found is None or not _STATUS.match(data):
            raise TransientError(f"{self.host} does not speak HTTP")
        return found[0], data[found.end() :]

    def _refusal(self, status: int, begun: bytes) -> Response:
        """A ban is a ban however its words are cut, packed or dripped.

        Args:
            begun: what has come of the answer.
        """
        deadline = time.monotonic() + REFUSAL_SECONDS
        answer = http.client.HTTPResponse(_Given(begun, lambda: self._more(deadline)))  # type: ignore[arg-type]
        headers: dict[str, str] = {}
        body = b""
        with suppress(http.client.HTTPException, TransientError, OSError, ValueError):
            answer.begin()
            for name, value in answer.getheaders():
                headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
            while len(body) < _CHUNK and (piece := answer.read1(_CHUNK)):
                body += piece
        return Response(status, headers, unpacked_loosely(body, headers.get("content-encoding", "")))

    # --- reading

    def receive(self) -> list[bytes]:
        """The whole messages that have come, without waiting. :attr:`ended` says when there will be no more."""
        data = self._bytes()
        self.spoke = bool(data)
        if not data:
            return []
        frames, self._rest = self._cut(data)
        return frames

    def _bytes(self) -> bytes:
        """All that is there now, with what was left over; empty if nothing new came."""
        chunks = [self._rest]
        size = 0
        try:
            while size < _CHUNK:
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    self.ended = self.ended or "it was cut"
                    break
                chunks.append(chunk)
                size += len(chunk)
                if len(chunk) < _CHUNK and not isinstance(self._socket, ssl.SSLSocket):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self.ended = self.ended or f"{type(error).__name__}: {error}"
        if len(chunks) == 1:
            return b""
        return chunks[1] if not chunks[0] and len(chunks) == 2 else b"".join(chunks)

    def _cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        frames: list[bytes] = []
        begin, size = 0, len(data)
        while begin + 2 <= size and not self.ended.startswith("closed"):
            length, head = data[begin + 1], 2
            if length > 125:
                if length > 127:
                    self.ended = "closed: a masked frame"
                    break
                head = 4 if length == 126 else 10
                if begin + head > size:
                    break
                length = int.from_bytes(data[begin + 2 : begin + head])
                if length > MAX_FRAME:
                    self.ended = f"closed: a frame of {length} bytes"
                    break
            end = begin + head + length
            if end > size:
                break
            if data[begin] in _WHOLE and not self._pieces:
                frames.append(data[begin + head : end])
            else:
                self._by_library(data[begin:end], frames)
            begin = end
        return frames, data[begin:]

    def _by_library(self, raw: bytes, frames: list[bytes]) -> None:
        """A ping, a close, a piece."""
        protocol = self._protocol
        protocol.receive_data(raw)
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.CLOSE:
                self.ended = f"closed: {Close.parse(bytes(event.data))}"
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._pieces += bytes(event.data)
                if event.fin:
                    frames.append(self._pieces)
                    self._pieces = b""
        if protocol.parser_exc is not None:
            self.ended = f"closed: {protocol.parser_exc}"
        with suppress(OSError):
            self._flush()

    # --- writing

    def send(self, frame: bytes) -> None:
        """Raises:
        TransientError: it cannot be sent within five seconds.
        """
        try:
            self._protocol.send_text(frame)
            self._flush()
        except (OSError, ValueError) as error:
            raise TransientError(f"{self.host}: {type(error).__name__}: {error}") from error

    def _flush(self) -> None:
        before = self._socket.gettimeout()
        self._socket.settimeout(before or SEND_SECONDS)
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._socket.sendall(data)
        finally:
            self._socket.settimeout(before)

    def close(self) -> None:
        """Says good-bye where that is possible at once."""
        with suppress(OSError, ValueError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close()
                self._flush()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Given(io.RawIOBase):
    """A socket for the library of HTTP: bytes that are there, then those that ``more`` gives."""

    def __init__(self, begun: bytes, more: Callable[[], bytes]) -> None:
        self._data = begun
        self._more = more

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._data or self._more()
        size = min(len(buffer), len(data))
        buffer[:size], self._data = data[:size], data[size:]
        return size
