"""The bytes of one WebSocket.

The protocol is that of ``websockets`` without its input and output: every byte goes through our hands, so that a
frame can be cut in its middle and a line can be dead without being closed.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from contextlib import suppress

from websockets.frames import Frame as Message
from websockets.http11 import Request as Opening
from websockets.server import ServerProtocol

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.wire import Request

CLOSING_S = 5.0
"""The other side has so long to answer a close."""


class EndedError(Exception):
    """The connection is over: why, for the ledger."""


class Line:
    """A socket that has asked for a WebSocket.

    Args:
        backlog: bytes that may wait for a client that reads slowly; over it the connection ends.
    """

    def __init__(self, sock: socket.socket, clock: Clock, backlog: int) -> None:
        self._sock, self._clock, self._backlog = sock, clock, backlog
        self._protocol = ServerProtocol()
        self._out = bytearray()
        self._last_byte = False
        """The protocol has nothing more to say after what is in :attr:`_out`."""
        self._drip: tuple[int, float] | None = None
        """Bytes per second, and when some were sent the last time."""
        self._closing_until: float | None = None
        self._answers_at = 0.0
        """Before, the protocol's own words wait."""
        self.late_close_s = 0.0

    @property
    def closing(self) -> bool:
        """One side has said that it ends."""
        return self._closing_until is not None

    def shake_hands(self, request: Request) -> bool:
        """Answers the handshake. Whether it was one."""
        head = [f"{request.method} {request.target} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in request.headers]
        self._protocol.receive_data("\r\n".join([*head, "", ""]).encode("latin-1"))
        for event in self._protocol.events_received():
            if isinstance(event, Opening):
                self._protocol.send_response(self._protocol.accept(event))
        self._take_protocol()
        self._sock.sendall(self._out)
        self._out.clear()
        self._sock.setblocking(False)
        return self._protocol.handshake_exc is None

    def ready(self, seconds: float) -> bool:
        """Waits so long until something comes, or until what waits can be sent."""
        writable = [self._sock] if seconds and self._out and self._drip is None else []
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        return bool(select.select([self._sock], writable, [], seconds)[0])

    def receive(self) -> list[Message]:
        """All that has come.

        Raises:
            EndedError: the other side is gone.
        """
        while data := self._read():
            self._protocol.receive_data(data)
        return [event for event in self._protocol.events_received() if isinstance(event, Message)]

    def write(self, data: bytes) -> None:
        self._out += data

    def ping(self, payload: bytes) -> None:
        self._protocol.send_ping(payload)

    def close(self, code: int, reason: str) -> None:
        """Says that it ends; the first time alone."""
        if not self.closing:
            self._protocol.send_close(code, reason)
            self._closing_until = time.monotonic() + CLOSING_S

    def close_came(self) -> None:
        """The other side has said so; the answer waits as a rule has it."""
        self._answers_at = time.monotonic() + self.late_close_s
        if not self.closing:
            self._closing_until = self._answers_at + CLOSING_S

    def slow_down(self, rate: int) -> None:
        """Sends so many bytes per second from now on."""
        self._drip = rate, self._clock.monotonic()

    def flush(self) -> None:
        """Sends what can be sent now.

        Raises:
            EndedError: all is said, or the other side does not listen.
        """
        if self._closing_until is not None and time.monotonic() > self._closing_until:
            raise EndedError("close not answered")
        if time.monotonic() >= self._answers_at:
            self._take_protocol()
        while most := self._allowed():
            try:
                with memoryview(self._out) as view:
                    sent = self._sock.send(view[:most])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            del self._out[:sent]
        if len(self._out) > self._backlog:
            raise EndedError("slow reader")
        if self._last_byte and not self._out:
            raise EndedError("client")

    def end(self, *, reset: bool) -> None:
        """The socket is its owner's again, to be closed."""
        with suppress(OSError):
            if reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._sock.setblocking(True)

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(1 << 16)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        if not data:
            raise EndedError("client")
        return data

    def _allowed(self) -> int:
        """Bytes that may be sent now."""
        if self._drip is None:
            return len(self._out)
        rate, since = self._drip
        now = self._clock.monotonic()
        count = min(len(self._out), int((now - since) * rate))
        if count:
            self._drip = rate, now
        return count

    def _take_protocol(self) -> None:
        for data in self._protocol.data_to_send():
            self._out += data
            self._last_byte = self._last_byte or not data
