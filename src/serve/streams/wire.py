"""A WebSocket as uvicorn has it, with what the door adds: frames are made once for all who get them and written past
ASGI, what waits for one client is bounded, and who does not read is cut.

What waits is the transport's own buffer. The frames in it are the same bytes for everybody, so that 500 who do not read
cost little more than one.
"""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

WIRE = "cryptoproxy.wire"
"""Of ``scope["extensions"]``."""
PING_SECONDS, PONG_SECONDS = 20.0, 60.0
"""As Binance has it: a ping each 20 s, and no pong within a minute ends the connection."""
MOST_WAITING = 512 * 1024
"""Bytes of frames that a client has not taken."""
LONGEST_MESSAGE = 128 * 1024
"""Of a client: a thousand topics in one request."""
CUT_SECONDS = 10.0
"""So long a client that is cut has to take the word for it."""
GOING_AWAY, POLICY, TRY_AGAIN = 1001, 1008, 1013


def framed(text: bytes) -> bytes:
    """A message as it goes over the wire; no extension is spoken here."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class Wire(WebSocketsSansIOProtocol):
    """Found by the application in its scope under :data:`WIRE`."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast(dict[str, Any], self.scope["extensions"])[WIRE] = self

    async def send(self, message: Any) -> None:
        """Of a handshake that the application has refused uvicorn says in the log that it is not over."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    def keepalive_timeout(self) -> None:
        """What waits is flushed first, which who reads nothing could hold up for ever."""
        super().keepalive_timeout()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(CUT_SECONDS, self.transport.abort)

    @property
    def is_open(self) -> bool:
        return self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())

    @property
    def waiting(self) -> int:
        """Bytes that are not taken yet."""
        return self.transport.get_write_buffer_size()

    def write(self, frame: bytes) -> bool:
        """Sends what :func:`framed` has made; False where the client is to be cut, since it does not read."""
        if self.is_open:
            self.transport.write(frame)
            return self.waiting <= MOST_WAITING
        return True

    def cut(self, code: int, reason: str) -> None:
        """The close frame stands behind what waits; who does not take it in time is hung up on."""
        if not self.is_open:
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(CUT_SECONDS, self.transport.abort)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
