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

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from cryptoproxy.serve.reply import Out

_COPIED = 8192
"""Bytes that cost less to copy than another piece does."""

Send = Callable[[Any], Awaitable[None]]


class _Answer(NamedTuple):
    """One that is given as far as ASGI is concerned, and not written yet."""

    transport: Any
    pieces: Sequence[bytes]
    keep_alive: bool
    done: Callable[[], None]


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Answer]] = WeakKeyDictionary()
"""Answers of the turn that each loop is in."""


def write_all(loop: asyncio.AbstractEventLoop) -> None:
    """What of this turn is not written yet: before a connection is closed from outside."""
    for transport, pieces, keep_alive, done in _turns.pop(loop, ()):
        if not transport.is_closing():
            transport.writelines(pieces)
            if not keep_alive:
                transport.close()
        done()


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
    loop = asyncio.get_running_loop()
    if (turn := _turns.get(loop)) is None:
        turn = _turns[loop] = []
        loop.call_soon(write_all, loop)
    turn.append(_Answer(cycle.transport, whole, cycle.keep_alive, cycle.on_response))
