"""An answer onto its connection.

uvicorn checks and joins the headers of each answer again, and writes head and body apart: half of what an answer costs.
Ours are checked when they are made, and the same for a second; so where the other side is uvicorn's own the whole goes
out in one piece. Elsewhere (tests, another server) it goes as ASGI has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from cryptoproxy.serve.reply import Out

_COPIED = 8192
"""Bytes that cost less to copy than another piece does."""

Send = Callable[[Any], Awaitable[None]]


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
    if not body:
        cycle.transport.write(head)
    elif len(out.body) < _COPIED:
        cycle.transport.write(head + out.body)
    else:
        cycle.transport.writelines([head, out.body])
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
