"""An answer onto its connection.

uvicorn checks and joins the headers of each answer again, and writes head and body apart: half of what an answer costs.
Ours are checked when they are made, and the same for a second; so where the other side is uvicorn's own the whole goes
out in one piece. Elsewhere (tests, another server) it goes as ASGI has it.

What is answered in one turn of the loop is written behind it, one right after the other: a write that wakes who waits
for it costs much more than one to who is awake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from cryptoproxy.serve.reply import Out

_COPIED = 8192
"""Bytes that cost less to copy than another piece does."""

Send = Callable[[Any], Awaitable[None]]


class _Answer(NamedTuple):
    """One that is given, as far as ASGI is concerned."""

    cycle: RequestResponseCycle
    pieces: Sequence[bytes]
    over: Callable[[], None]
    """uvicorn takes it out of the cycle when the application has returned."""

    def write(self) -> None:
        transport = self.cycle.transport
        if not transport.is_closing():
            transport.writelines(self.pieces)
            if not self.cycle.keep_alive:
                transport.close()
        self.over()


class Together(HttpToolsProtocol):
    """uvicorn's, whose answer may be given and not written yet: it is before anything else happens to it."""

    unwritten = False

    def data_received(self, data: bytes) -> None:
        self._write()
        super().data_received(data)

    def eof_received(self) -> None:
        self._write()  # who has said all may still listen: behind this the connection is closed
        super().eof_received()

    def shutdown(self) -> None:
        self._write()
        super().shutdown()

    def _write(self) -> None:
        if self.unwritten:
            _write_all(self.loop)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, list[tuple[Together, _Answer]]] = WeakKeyDictionary()
"""What was given in the turn that each loop is in."""


def _write_all(loop: asyncio.AbstractEventLoop) -> None:
    for protocol, answer in _turns.pop(loop, ()):
        protocol.unwritten = False
        answer.write()


async def give(send: Send, out: Out, *, body: bool = True) -> None:
    """Sends all of it.

    Args:
        body: False to who asked for the head alone.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle:
        await send({"type": "http.response.start", "status": out.status, "headers": out.headers})
        await send({"type": "http.response.body", "body": out.body if body else b""})
        return
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    pieces = [STATUS_LINE[out.status]]
    pieces += [b"%s: %s\r\n" % each for each in cycle.default_headers]
    pieces += [out.lines, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"]
    head = b"".join(pieces)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not body:
        whole = [head]
    elif len(out.body) < _COPIED:
        whole = [head + out.body]
    else:
        whole = [head, out.body]
    answer = _Answer(cycle, whole, cycle.on_response)
    protocol = cycle.transport.get_protocol()
    if not isinstance(protocol, Together):  # by now it is a WebSocket's
        answer.write()
        return
    if (turn := _turns.get(protocol.loop)) is None:
        turn = _turns[protocol.loop] = []
        protocol.loop.call_soon(_write_all, protocol.loop)
    protocol.unwritten = True
    turn.append((protocol, answer))
